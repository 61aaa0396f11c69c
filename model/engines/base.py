"""The interface of an engine in the server's process: pixels in, outputs of the graph out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..preprocess import Pixels


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
