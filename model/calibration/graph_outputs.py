"""A graph's logits and features for many photos, and the photos of a calibration.

Those are held-out ones in a folder per label, and photos of no label.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..bundle import Bundle
from ..classifier import read_file
from ..errors import DataError, PhotoError
from ..evaluation.labelled_folders import UNRECORDED, find_trained, labelled_photos
from ..evaluation.metrics import require_single_label
from ..events import Progress
from ..photo import read
from ..preprocess import Pixels, PreprocessConfig, preprocess
from ..storage.photo_files import list_photos, map_ordered, printable

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

    ``targets`` are indices of their labels; without them all are 0.

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


HELD_OUT_FOLDERS = ("validation", "valid", "val", "dev", "test", "testing")


@dataclass(frozen=True)
class CalibrationPhotos:
    """The photos by which a bundle is calibrated.

    ``labels`` are the true labels of held-out photos in ``folder``, ``unmatched`` the names of
    folders that match no label, ``ood`` the OOD photos by the name of their set; ``notes`` are
    lines for the card.
    """

    bundle: Bundle
    folder: Path
    labels: dict[Path, str]
    unmatched: list[str]
    ood: dict[str, list[Path]]
    notes: tuple[str, ...] = ()

    @classmethod
    def find(
        cls, bundle: Bundle, folder: Path, unknown: Mapping[str, Path] = MappingProxyType({})
    ) -> "CalibrationPhotos":
        """Find the photos in ``folder``, one folder per label, and in the sets ``unknown``.

        Raises:
            DataError: the folders, their names, the number of photos or the model do not fit.
        """
        require_single_label(bundle.manifest.multilabel)
        photos, unmatched = labelled_photos(folder, bundle.labels)
        return cls(bundle, folder, dict(photos), unmatched, list_ood_photos(unknown))

    def without_trained(self) -> "CalibrationPhotos":
        """Leave out the photos that the model was trained on, as far as it records them.

        Raises:
            DataError: too few others are left.
        """
        found = find_trained(self.bundle, self.labels)
        if found is None:
            return replace(self, notes=(UNRECORDED,))
        if not (trained := {*found}):
            return self
        labels = {path: label for path, label in self.labels.items() if path not in trained}
        if len(labels) < MIN_PHOTOS:
            count = "all" if not labels else f"{len(trained):,} of the"
            raise DataError(
                f"The model was trained on {count} {len(self.labels):,} photos in {self.folder}, "
                "which would make it look better than it is. Use at least "
                f"{MIN_PHOTOS} photos that it hasn't seen{_suggest(self.bundle, self.folder)}."
            )
        note = f"Photos that the model was trained on, skipped: {len(trained):,}"
        return replace(self, labels=labels, notes=(note,))

    def run(
        self, run: Run, progress: Progress
    ) -> tuple[CalibrationOutputs, dict[str, Sequence[str]]]:
        """Return a graph's outputs for all photos, and the names of what it skipped, by reason.

        Raises:
            DataError: too few photos can be used, or those of one label only.
        """

        def run_stage(stage: str, paths: Sequence[Path]) -> tuple[GraphOutputs, list[Path]]:
            return run_photos(run, paths, self.bundle.manifest.recipe, stage, progress)

        held_out, left_out = run_stage("Held-out photos", list(self.labels))
        skipped = set(left_out)
        used = [path for path in self.labels if path not in skipped]
        targets = [self.bundle.labels.index(self.labels[path]) for path in used]
        if len(set(targets)) < 2:
            raise DataError(
                f"{self.folder} has photos of one label only. Add photos of the others."
            )
        held_out = replace(held_out, targets=np.array(targets), names=self._names(used))
        ood_sets = {name: run_stage("Unknown photos", paths)[0] for name, paths in self.ood.items()}
        return CalibrationOutputs(held_out, ood_sets), {
            "Skipped folders (no label with that name)": self.unmatched,
            "Skipped photos (unreadable, or copies of another one)": self._names(left_out),
        }

    def _names(self, paths: Sequence[Path]) -> tuple[str, ...]:
        return tuple(printable(path.relative_to(self.folder)) for path in paths)


def _suggest(bundle: Bundle, folder: Path) -> str:
    """Return a folder of enough held-out photos beside one of training photos; empty without."""
    for path in (folder.absolute().parent / name for name in HELD_OUT_FOLDERS):
        photos = list_photos(path) if path.is_dir() else []
        if len(photos) - len(find_trained(bundle, photos) or ()) >= MIN_PHOTOS:
            return f", such as those in {path}"
    return ""


def list_ood_photos(folders: Mapping[str, Path]) -> dict[str, list[Path]]:
    """List the photos in folders of OOD photos, by the name of their set.

    Raises:
        DataError: one isn't a folder, or has fewer than fifty photos.
    """
    photos: dict[str, list[Path]] = {}
    for name, folder in folders.items():
        if not folder.is_dir():
            raise DataError(f"{folder} isn't a folder. Use --unknown FOLDER or NAME=FOLDER.")
        photos[name] = list_photos(folder)
        if len(photos[name]) < MIN_PHOTOS:
            raise DataError(
                f"{folder} has {len(photos[name])} unknown photos, which isn't enough. Use at "
                f"least {MIN_PHOTOS}, preferably 200."
            )
    return photos
