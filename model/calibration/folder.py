"""``calibrate NAME FOLDER``: a bundle measured on photos that it did not learn from."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from ..bundle import Bundle
from ..classifier import Classifier
from ..engines import start
from ..errors import Busy, DataError, PhotoError
from ..evaluation.folders import labelled
from ..evaluation.summary import refuse_multilabel
from ..folder import in_order, photos_in
from ..manifest import FORMAT
from ..preprocess import Pixels, preprocess
from ..settings import settings
from ..shelf import write
from .fit import COVERAGE, LEAST, Trust, calibrate
from .outputs import Floats, Outputs
from .put import put

__all__ = ["calibrate_bundle", "outputs", "several", "unknown_photos"]

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
) -> tuple[Bundle, Trust]:
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
    known = outputs(
        classifier,
        [(photo, place[label]) for photo, label in photos],
        folder,
        lambda done, total: progress("Held-out photos", done, total),
    )
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
        notes = (f"Folders left out: {', '.join(left_out)}"[:300],) if left_out else ()
        on = f"{len(known):,} photos of {folder.resolve().name}"
        put(values, new, trust, on=on, command=command, notes=notes)

    return write(values, shelf or settings().data / "models", fill), trust


def outputs(
    classifier: Classifier,
    photos: Sequence[tuple[Path, int]],
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outputs:
    """What the graph gives for photos that can be read; the others are left out.

    Raises:
        DataError: fewer than fifty could be read.
    """

    def one(item: tuple[Path, int]) -> tuple[Any, Any, int, str] | None:
        path, target = item
        recipe = classifier.bundle.manifest.recipe
        while True:
            try:
                photo = classifier.photo(path.read_bytes())
            except Busy:
                continue
            except (PhotoError, OSError):
                return None
            found = classifier.engine.run(preprocess(photo.image, recipe)[None], many=True)
            return found.logits[0], found.features[0], target, path.relative_to(folder).as_posix()

    rows = []
    for done, row in enumerate(in_order(one, photos), 1):
        rows += [row] if row else []
        progress(done, len(photos))
    if len(rows) < LEAST:
        raise DataError(
            f"{folder} holds {len(rows)} photos that can be read, of {len(photos)}: {LEAST} are "
            "needed, 300 are good."
        )
    logits, features, targets, names = zip(*rows, strict=True)
    return Outputs(np.stack(logits), np.stack(features), np.array(targets, np.intp), names)


def unknown_photos(
    classifier: Classifier, folders: Sequence[Path], progress: Progress
) -> dict[str, Outputs]:
    """What the graph gives for folders of strangers, by the folder's name."""
    found: dict[str, Outputs] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in found:
            raise DataError(f"Two folders of unknown photos are called {name!r}. Rename one.")
        found[name] = outputs(
            classifier,
            [(path, 0) for path in photos_in(folder)],
            folder,
            lambda done, total: progress("Unknown photos", done, total),
        )
    return found


def several(
    graph: Path, photos: Iterable[Pixels], targets: Sequence[int], names: tuple[str, ...] = ()
) -> Outputs:
    """What a graph that stands in no bundle yet gives for photos, on all cores.

    Args:
        graph: an ONNX file.
        photos: uint8 [height, width, 3] each.
        targets: indices of their labels.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def one(pixels: Pixels) -> tuple[Floats, Floats]:
        logits, features = session.run(["logits", "features"], {"pixels": pixels[None]})
        return logits[0], features[0]

    logits, features = zip(*in_order(one, photos), strict=True)
    return Outputs(np.stack(logits), np.stack(features), np.array(targets, np.intp), names)
