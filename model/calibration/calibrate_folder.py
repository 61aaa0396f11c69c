"""``calibrate NAME FOLDER``: a bundle measured on photos that it did not learn from."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from ..bundle.bundle import Bundle
from ..bundle.manifest import FORMAT
from ..bundle.registry import publish
from ..classifier import Classifier, read_file
from ..engines import start
from ..errors import DataError, PhotoError
from ..evaluation.folders import labelled
from ..evaluation.summary import refuse_multilabel
from ..photo_files import list_photos, map_ordered, printable, retry_while_busy
from ..preprocess import Pixels, preprocess
from ..settings import settings
from .apply import write_calibration
from .fit import COVERAGE, LEAST, CalibrationResult, calibrate
from .graph_outputs import Floats, Outputs

__all__ = ["calibrate_bundle", "outputs", "run_graph", "stranger_folders", "unknown_photos"]

Progress = Callable[[str, int, int], None]


def calibrate_bundle(
    bundle: Bundle,
    folder: Path,
    unknown: Sequence[Path] = (),
    *,
    coverage: float = COVERAGE,
    command: str = "",
    shelf: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> tuple[Bundle, CalibrationResult]:
    """Calibrate a bundle and put the result on the shelf as a new version of it.

    Args:
        bundle: the model; one with several labels a photo is refused.
        folder: a folder a label, with photos that the model did not learn from.
        unknown: folders with photos of nothing that it knows.
        coverage: share of photos whose plausible set is to hold the true label.
        command: what was typed, for the card.
        shelf: by default the data folder's models.
        progress: told the stage, and how many photos are done, of how many.

    Raises:
        DataError: the folder, its names, the number of photos or the model do not fit.
    """
    manifest = bundle.manifest
    refuse_multilabel(manifest.multilabel)
    photos, left_out = labelled(folder, bundle.labels)
    place = {label: index for index, label in enumerate(bundle.labels)}
    classifier = Classifier(bundle, start(bundle, "compiled"))
    known, unread = outputs(
        classifier,
        [(photo, place[label]) for photo, label in photos],
        folder,
        lambda done, total: progress("Held-out photos", done, total),
    )
    notes = _notes(left_out, unread)
    if len({*known.targets.tolist()}) < 2:
        raise DataError(f"{folder} has photos of one label only. Give some of the others, too.")
    strangers = unknown_photos(classifier, unknown, progress)
    progress("Calibrating", 0, 0)
    trust = calibrate(known, None, strangers, coverage=coverage)
    values: dict[str, Any] = manifest.model_dump(mode="json", exclude={"files"})
    values["format"] = FORMAT

    def fill(new: Path) -> None:
        for name in manifest.files:
            (new / name).write_bytes(bundle.read(name))
        on = f"held out, in {printable(Path(folder.absolute().name))}"[:200]
        write_calibration(values, new, trust, on=on, command=command, notes=notes)

    return publish(values, shelf or settings().data / "models", fill), trust


def _notes(folders: Sequence[str], unread: Sequence[str]) -> tuple[str, ...]:
    """What was not counted, in lines for the card."""
    lines = {
        "Folders that fit no label, left out": folders,
        "Photos that cannot be read, or are copies, left out": unread,
    }
    return tuple(
        f"{what}: {len(names):,} ({', '.join(names[:5])})"[:300]
        for what, names in lines.items()
        if names
    )


def outputs(
    classifier: Classifier,
    photos: Sequence[tuple[Path, int]],
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Outputs, list[str]]:
    """What the graph gives for photos, and the names of those that were left out.

    Those cannot be read, or are copies of another one: a copy in another fold would
    make it look easier than it is.

    Raises:
        DataError: fewer than fifty could be read.
    """
    recipe = classifier.bundle.manifest.recipe

    def one(item: tuple[Path, int]) -> tuple[bytes, Any, Any, int, str] | str:
        path, target = item
        name = printable(path.relative_to(folder))
        try:
            data = read_file(path)
            photo = retry_while_busy(classifier.photo, data)
        except PhotoError:
            return name
        found = classifier.engine.run(preprocess(photo.image, recipe)[None], single_thread=True)
        digest = hashlib.sha256(data).digest()
        return digest, found.logits[0], found.features[0], target, name

    rows, left_out, seen = [], list[str](), set[bytes]()
    for done, row in enumerate(map_ordered(one, photos), 1):
        progress(done, len(photos))
        if isinstance(row, str):
            left_out.append(row)
        elif row[0] in seen:
            left_out.append(row[-1])
        else:
            seen.add(row[0])
            rows.append(row[1:])
    if len(rows) < LEAST:
        raise DataError(
            f"{folder} holds {len(rows)} photos that can be read, of {len(photos)}: {LEAST} are "
            "needed, 300 are good."
        )
    logits, features, targets, names = zip(*rows, strict=True)
    known = Outputs(np.stack(logits), np.stack(features), np.array(targets, np.intp), names)
    return known, left_out


def stranger_folders(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """The photos of folders of strangers, by the folder's name.

    Raises:
        DataError: two have the same name, or one has fewer than fifty photos.
    """
    found: dict[str, list[Path]] = {}
    for folder in folders:
        name = printable(Path(folder.absolute().name))
        if name in found:
            raise DataError(f"Two folders of unknown photos are called {name!r}. Rename one.")
        found[name] = list_photos(folder)
        if len(found[name]) < LEAST:
            raise DataError(
                f"{folder} holds {len(found[name])} unknown photos: {LEAST} are needed, 200 are "
                "good."
            )
    return found


def unknown_photos(
    classifier: Classifier, folders: Sequence[Path], progress: Progress
) -> dict[str, Outputs]:
    """What the graph gives for folders of strangers, by the folder's name."""
    found = {}
    for folder, (name, paths) in zip(folders, stranger_folders(folders).items(), strict=True):
        found[name], _ = outputs(
            classifier,
            [(path, 0) for path in paths],
            folder,
            lambda done, total: progress("Unknown photos", done, total),
        )
    return found


def run_graph(
    graph: Path,
    photos: Iterable[Pixels],
    targets: Sequence[int] | None = None,
    names: tuple[str, ...] = (),
) -> Outputs:
    """What a graph that stands in no bundle yet gives for photos, on all cores.

    Args:
        graph: an ONNX file.
        photos: uint8 [height, width, 3] each.
        targets: indices of their labels; without them all are 0.
        names: of the photos, for the card.

    Raises:
        DataError: there is no photo.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def one(pixels: Pixels) -> tuple[Floats, Floats]:
        logits, features = session.run(["logits", "features"], {"pixels": pixels[None]})
        return logits[0], features[0]

    rows = list(map_ordered(one, photos))
    if not rows:
        raise DataError("None of these photos can be read.")
    logits, features = zip(*rows, strict=True)
    known = np.zeros(len(logits)) if targets is None else targets
    return Outputs(np.stack(logits), np.stack(features), np.array(known, np.intp), names)
