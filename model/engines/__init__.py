"""Engines run a bundle: pixels in, outputs out. ``model.engine_info`` has the table of them.

A module is imported when its engine starts, so that only the learner engine loads torch.
"""

from importlib import import_module

from ..bundle import Bundle
from ..engine_info import ENGINES, EngineInfo
from ..errors import EngineUnavailable
from .base import Engine, EngineOutput

__all__ = ["ENGINES", "Engine", "EngineInfo", "EngineOutput", "available", "start"]


def available(bundle: Bundle) -> tuple[str, ...]:
    """Return the bundle's engines whose packages are installed, in the bundle's order."""
    return tuple(name for name in bundle.manifest.engines if not ENGINES[name].missing_packages)


def start(bundle: Bundle, name: str) -> Engine:
    """Start an engine for a bundle, without the golden test.

    Raises:
        EngineUnavailable: it runs on the visitor's device, the bundle lacks it, or its packages
            are not installed.
        BundleDamaged: a file that it needs is damaged.
    """
    info = ENGINES.get(name)
    if info and info.runs_in == "device":
        raise EngineUnavailable(
            f"Engine {name!r} runs on the visitor's device, not on the server. "
            f"Use one of: {', '.join(bundle.manifest.engines)}."
        )
    if info is None or (info.in_manifest and name not in bundle.manifest.engines):
        raise EngineUnavailable(
            f"The model {bundle.name!r} has no engine {name!r}. "
            f"Available: {', '.join(bundle.manifest.engines)}."
        )
    if missing := info.missing_packages:
        raise EngineUnavailable(
            f"Engine {name!r} needs {', '.join(missing)}, which isn't installed. "
            "Run pip install -r requirements.txt, or use the engine 'compiled'."
        )
    assert info.implementation is not None  # every engine of the server has one
    module, class_name = info.implementation
    engine_class: type[Engine] = getattr(import_module(module), class_name)
    return engine_class(bundle)
