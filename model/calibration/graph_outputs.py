"""A graph's logits and features for many photos."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..errors import DataError
from ..photo_files import map_ordered
from ..preprocess import Pixels

__all__ = ["Floats", "GraphOutputs", "run_graph"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class GraphOutputs:
    """Outputs for N photos: ``logits`` float32 [N, labels] and ``features`` [N, D].

    ``targets`` [N] are indices of the true labels; ``names`` are the photos' names or empty.
    """

    logits: Floats
    features: Floats
    targets: NDArray[np.intp]
    names: tuple[str, ...] = ()

    def subset(self, places: NDArray[np.intp]) -> "GraphOutputs":
        """Return the outputs at ``places``."""
        names = tuple(self.names[place] for place in places) if self.names else ()
        return GraphOutputs(self.logits[places], self.features[places], self.targets[places], names)

    def __len__(self) -> int:
        return len(self.logits)


def run_graph(
    graph: Path,
    photos: Iterable[Pixels],
    targets: Sequence[int] | None = None,
    names: tuple[str, ...] = (),
) -> GraphOutputs:
    """Run a graph that is not part of a bundle yet on photos, one per core.

    Args:
        graph: an ONNX file.
        photos: uint8 [height, width, 3] each.
        targets: indices of their labels; without them all are 0.
        names: the photos' names, for the card.

    Raises:
        DataError: there is no photo.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    ort_session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def run(pixels: Pixels) -> tuple[Floats, Floats]:
        logits, features = ort_session.run(["logits", "features"], {"pixels": pixels[None]})
        return logits[0], features[0]

    rows = list(map_ordered(run, photos))
    if not rows:
        raise DataError("None of these photos can be read.")
    logits, features = zip(*rows, strict=True)
    indices = np.zeros(len(logits)) if targets is None else targets
    return GraphOutputs(np.stack(logits), np.stack(features), np.array(indices, np.intp), names)
