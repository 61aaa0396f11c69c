"""The table of engines: their names, where they run and what they need.

It imports nothing from Loupe, because bundles and settings import it. To add an engine, add a
row to ``ENGINES``; one in the server's process also needs its name in ``ServerEngine`` and a
module with a subclass of ``model.engines.Engine``.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

ServerEngine = Literal["compiled", "learner"]
"""Engines that manifests, settings, the command line and the API name."""

DEFAULT_ENGINE: ServerEngine = "compiled"
"""The engine that runs a bundle unless another one is chosen."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """One way to run a bundle.

    Attributes:
        name: as used in manifests, commands and query parameters.
        letter: its abbreviation in share links.
        title, caption: its name and a line on the screen, if visitors can choose it there.
        needs: the bundle's file that it runs; a bundle without it does not have the engine.
        runs_in: *server* for an engine in the app's process, *device* for one on the visitor's
            device. The server has no ``Engine`` class for the latter and cannot load it, and no
            manifest lists it, since a device runs the graph of any bundle.
        packages: what must be installed on the server.
        memory_mb: what the app must be allowed to use for the engine to be offered.
        implementation: module and class of the ``Engine``; None on the device.
        rebuilds_network: whether it needs the network in Python, rebuilt by name; a custom one
            has only its graph.
    """

    name: str
    letter: str
    needs: str
    title: str = ""
    caption: str = ""
    runs_in: Literal["server", "device"] = "server"
    packages: tuple[str, ...] = ()
    memory_mb: int = 0
    implementation: tuple[str, str] | None = None
    rebuilds_network: bool = False

    def shortfall(self, memory_mb: int) -> tuple[str, str] | None:
        """Return what the engine lacks if the app may use ``memory_mb``, and a remedy, or None."""
        if missing := [package for package in self.packages if find_spec(package) is None]:
            return (
                f"needs {', '.join(missing)}, which isn't installed",
                "Run pip install -r requirements.txt",
            )
        if memory_mb < self.memory_mb:
            return (
                f"needs {self.memory_mb:,} MB of memory and this app may use {memory_mb:,} MB",
                "Raise LOUPE_MEMORY_MB",
            )
        return None


ENGINES = {
    info.name: info
    for info in (
        EngineInfo(
            name="compiled",
            letter="c",
            title="The fast copy",
            caption="Compiled for ONNX Runtime",
            needs="graph.onnx",
            packages=("onnxruntime",),
            implementation=("model.engines.compiled", "OnnxEngine"),
        ),
        EngineInfo(
            name="learner",
            letter="l",
            title="The original model",
            caption="fastai, as it was trained",
            needs="weights.safetensors",
            packages=("torch", "fastai", "safetensors"),
            # Measured: 720 MB with one model and one visitor, 915 MB with five models.
            memory_mb=1024,
            implementation=("model.engines.learner_engine", "LearnerEngine"),
            rebuilds_network=True,
        ),
        EngineInfo(
            name="wasm",
            letter="w",
            needs="graph.onnx",
            runs_in="device",
        ),
    )
}

OPTIONAL_FILES = frozenset(info.needs for info in ENGINES.values()) - {
    ENGINES[DEFAULT_ENGINE].needs
}
"""Files of a bundle that may be left out: only the engine that runs them is then missing."""

SERVER_ENGINES = tuple(info.name for info in ENGINES.values() if info.runs_in == "server")
"""Names of the engines that a manifest may list, the default first."""
