"""A graph's logits and features for many photos."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..classifier import read_file
from ..errors import DataError, PhotoError
from ..events import Progress
from ..photo import read
from ..preprocess import Pixels, PreprocessConfig, preprocess
from ..storage.photo_files import map_ordered

MIN_PHOTOS = 50
"""Fewest photos of one kind, held-out or OOD, that a calibration uses."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class GraphOutputs:
    """Outputs for N photos: ``logits`` float32 [N, labels] and ``features`` [N, D].

    ``targets`` [N] are indices of the true labels; ``names`` are the photos' names or empty;
    ``groups`` [N] number the photos that look alike and stay in one fold, None if all differ.
    """

    logits: Floats
    features: Floats
    targets: NDArray[np.intp]
    names: tuple[str, ...] = ()
    groups: NDArray[np.intp] | None = None

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Indices of the top labels [N]."""
        places: NDArray[np.intp] = self.logits.argmax(axis=1)
        return places

    def subset(self, places: NDArray[np.intp]) -> "GraphOutputs":
        """Return the outputs at ``places``."""
        names = tuple(self.names[place] for place in places) if self.names else ()
        groups = None if self.groups is None else self.groups[places]
        arrays = self.logits[places], self.features[places], self.targets[places]
        return GraphOutputs(*arrays, names, groups)

    def __len__(self) -> int:
        return len(self.logits)


@dataclass(frozen=True, eq=False)
class CalibrationOutputs:
    """A graph's outputs for held-out photos and, by the name of their set, for OOD photos."""

    held_out: GraphOutputs
    ood_sets: Mapping[str, GraphOutputs]


Run = Callable[[Pixels], tuple[Floats, Floats]]
"""Function from pixels, uint8 [1, height, width, 3], to logits and features."""


def open_graph(graph: bytes) -> Run:
    """Return a function that runs an ONNX graph on one core, without an engine."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    # The small graph's weights are widened at load, as on devices.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    ort_session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda pixels: ort_session.run(["logits", "features"], {"pixels": pixels})


def run_graph(run: Run, photos: Iterable[Pixels], targets: Sequence[int] = ()) -> GraphOutputs:
    """Return the outputs for photos, uint8 [height, width, 3] each, run one per core.

    Args:
        run: runs the graph.
        photos: as the bundle preprocesses them.
        targets: indices of their labels; without them all are 0.

    Raises:
        DataError: there is no photo.
    """
    rows = list(map_ordered(lambda pixels: run(pixels[None]), photos))
    if not rows:
        raise DataError("None of these photos can be read.")
    logits, features = map(np.concatenate, zip(*rows, strict=True))
    indices = np.array(targets, np.intp) if targets else np.zeros(len(rows), np.intp)
    return GraphOutputs(logits, features, indices)


def run_photos(
    run: Run,
    paths: Sequence[Path],
    config: PreprocessConfig,
    stage: str,
    progress: Progress,
) -> tuple[GraphOutputs, list[Path]]:
    """Return the outputs for the photos in files, and the files that were left out.

    Photos that can't be read are left out, and so are copies of another photo: a copy in
    another fold would make that fold look easier than it is.

    Args:
        run: runs the graph.
        paths: the photos.
        config: the bundle's preprocessing.
        stage: its name for ``progress``.
        progress: told of each photo.

    Raises:
        DataError: fewer than fifty photos remain.
    """
    digests, left_out = set[bytes](), list[Path]()

    def decode(path: Path) -> tuple[bytes, Pixels] | None:
        try:
            data = read_file(path)
            image = read(data, resize=config.min_decode_size).image
        except PhotoError:
            return None
        return hashlib.sha256(data).digest(), preprocess(image, config)

    def usable() -> Iterator[Pixels]:
        decoded = zip(paths, map_ordered(decode, paths), strict=True)
        for path, result in progress.track(stage, decoded, len(paths)):
            if result is None or result[0] in digests:
                left_out.append(path)
            else:
                digests.add(result[0])
                yield result[1]

    outputs = run_graph(run, usable())
    if len(outputs) < MIN_PHOTOS:
        others = f" of {len(paths)}; the others can't be read or are copies" if left_out else ""
        raise DataError(f"Only {len(outputs)} photos{others}. Use at least {MIN_PHOTOS}.")
    return outputs, left_out
