"""The engines by name; a module is imported when its engine is first wanted.

To add one: a module with a subclass of ``Engine``, a line here, its name among
the manifest's ``engines``.
"""

from importlib import import_module
from importlib.util import find_spec

from ..bundle.bundle import Bundle
from ..errors import EngineUnavailable
from .base import Engine, EngineOutput

__all__ = ["ENGINES", "Engine", "EngineOutput", "available", "start"]

ENGINES = {
    "compiled": ("model.engines.compiled", "OnnxEngine", ("onnxruntime",)),
    "learner": ("model.engines.learner", "LearnerEngine", ("torch", "fastai", "safetensors")),
    "fake": ("model.engines.fake", "Fake", ()),
}


def available(bundle: Bundle) -> tuple[str, ...]:
    """The bundle's engines whose packages are installed, in the bundle's order."""
    return tuple(name for name in bundle.manifest.engines if not _missing(name))


def start(bundle: Bundle, name: str) -> Engine:
    """Start an engine for a bundle; the golden answers are not checked here.

    Raises:
        EngineUnavailable: the bundle lacks it, or its packages are not installed.
        BundleDamaged: a file that it needs is not as it should be.
    """
    if name != "fake" and name not in bundle.manifest.engines:
        raise EngineUnavailable(
            f"The model {bundle.name!r} has no engine {name!r}. "
            f"It has: {', '.join(bundle.manifest.engines)}."
        )
    if missing := _missing(name):
        raise EngineUnavailable(
            f"The engine {name!r} needs {', '.join(missing)}, not installed here. "
            "Install requirements.txt (pip install -r requirements.txt), or use the engine "
            "'compiled'."
        )
    module, engine, _ = ENGINES[name]
    kind: type[Engine] = getattr(import_module(module), engine)
    return kind(bundle)


def _missing(name: str) -> list[str]:
    return [package for package in ENGINES[name][2] if find_spec(package) is None]
