"""What a graph gives for many photos."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Outputs"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Outputs:
    """For N photos: ``logits`` float32 [N, labels], ``features`` [N, D]; with
    ``targets`` [N], indices of labels, and ``names`` where they are known.
    """

    logits: Floats
    features: Floats
    targets: NDArray[np.intp]
    names: tuple[str, ...] = ()

    def part(self, places: NDArray[np.intp]) -> "Outputs":
        """Those at ``places``."""
        names = tuple(self.names[place] for place in places) if self.names else ()
        return Outputs(self.logits[places], self.features[places], self.targets[places], names)

    def __len__(self) -> int:
        return len(self.logits)
