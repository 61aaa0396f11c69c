"""Engines run a bundle: pixels in, outputs out. ``model.engine_info`` has the table of them.

A module is imported when its engine starts, so that only the learner engine loads torch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..engine_info import ENGINES, EngineInfo
from ..errors import EngineUnavailable
from ..preprocess import Pixels
from ..settings import settings

__all__ = [
    "ENGINES",
    "Engine",
    "EngineInfo",
    "EngineOutput",
    "available",
    "shortfall",
    "start",
    "why_unavailable",
]


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """The outputs for N photos, all float32.

    ``logits`` [N, labels], ``features`` [N, D], ``probabilities`` [N, labels] (calibrated if the
    bundle is), ``ood_score`` [N] or None.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    ood_score: NDArray[np.float32] | None = None


class Engine(ABC):
    """A way to run a bundle on the server. Safe to call from several threads."""

    name: ClassVar[str]

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    @abstractmethod
    def run(self, pixels: Pixels, *, single_thread: bool = False) -> EngineOutput:
        """Return the outputs for pixels, uint8 [N, height, width, 3] of the recipe's size.

        Args:
            pixels: preprocessed photos.
            single_thread: use one core, because other photos keep the others busy.
        """


def available(bundle: Bundle) -> tuple[str, ...]:
    """Return the engines that can run the bundle in this app, in the bundle's order."""
    return tuple(name for name in bundle.manifest.engines if not why_unavailable(bundle, name))


def why_unavailable(bundle: Bundle, name: str) -> str:
    """Return why this app can't run the bundle's engine, with a remedy; empty if it can."""
    if problem := ENGINES[name].shortfall(settings().memory_mb):
        reason, remedy = problem
        return f"The engine {name!r} {reason}. {remedy}, or use the engine 'compiled'."
    if reason := shortfall(bundle, name):
        return f"The engine {name!r} {reason}. Use the engine 'compiled'."
    return ""


def shortfall(bundle: Bundle, name: str) -> str:
    """Return what the bundle's engine needs and lacks in this app, for a visitor; or nothing.

    The text follows a subject: ``needs 1,024 MB of memory and this app may use 690 MB``.
    """
    info = ENGINES[name]
    if problem := info.shortfall(settings().memory_mb):
        return problem[0]
    if info.needs in bundle.manifest.files and info.needs not in bundle.file_names:
        return f"needs {info.needs}, which was left out of this copy of {bundle.name!r}"
    return ""


def start(bundle: Bundle, name: str) -> Engine:
    """Start an engine for a bundle, without the golden test.

    Raises:
        EngineUnavailable: it runs on the visitor's device, the bundle lacks it, its packages
            are not installed, or it needs more memory than the app may use.
        BundleDamaged: a file that it needs is damaged.
    """
    info = ENGINES.get(name)
    if info and info.runs_in == "device":
        raise EngineUnavailable(
            f"Engine {name!r} runs on the visitor's device, not on the server. "
            f"Use one of: {', '.join(bundle.manifest.engines)}."
        )
    if info is None or name not in bundle.manifest.engines:
        raise EngineUnavailable(
            f"The model {bundle.name!r} has no engine {name!r}. "
            f"Available: {', '.join(bundle.manifest.engines)}."
        )
    if reason := why_unavailable(bundle, name):
        raise EngineUnavailable(reason)
    assert info.implementation is not None  # every engine of the server has one
    module, class_name = info.implementation
    engine_class: type[Engine] = getattr(import_module(module), class_name)
    return engine_class(bundle)
