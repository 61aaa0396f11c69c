"""A model measured on a folder with one folder a label."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ..classifier import Classifier
from ..errors import DataError, PhotoError
from ..photo_files import list_photos, map_ordered, printable, retry_while_busy
from ..prediction import Prediction
from .labels import match
from .results import Evaluation, PhotoFailure
from .summary import Row, Summary, refuse_multilabel

__all__ = ["evaluate", "labelled"]

Answer = tuple[str, str, Prediction | PhotoError]


def evaluate(
    classifier: Classifier,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Ask the model about every photo and compare with the folders' names.

    Folders whose names fit no label are left out, and the result names them.
    Photos that cannot be read are reported, not counted as wrong.

    Args:
        classifier: the model; one with several labels a photo is refused.
        folder: holds one folder a label.
        progress: told how many photos are done, of how many, in this thread.
            What it raises stops the evaluation.

    Raises:
        DataError: the folder, its names, or the kind of model do not fit.
    """
    refuse_multilabel(classifier.bundle.manifest.multilabel)
    photos, left_out = labelled(folder, classifier.bundle.labels)
    summary, refused = Summary(classifier.bundle.labels), []

    def ask(item: tuple[Path, str]) -> Answer:
        photo, label = item
        return printable(photo.relative_to(folder)), label, _answer(classifier, photo)

    progress(0, len(photos))
    began = time.perf_counter()
    with closing(map_ordered(ask, photos)) as answers:  # type: ignore[type-var]
        for done, (name, label, answer) in enumerate(answers, 1):
            if isinstance(answer, PhotoError):
                refused.append(PhotoFailure.of(name, answer))
            else:
                summary.add(Row(name, label, answer))
            progress(done, len(photos))
    return summary.evaluation(refused, time.perf_counter() - began, left_out)


def labelled(folder: Path, labels: tuple[str, ...]) -> tuple[list[tuple[Path, str]], list[str]]:
    """Photos with their labels, and the names of folders that fit no label.

    Raises:
        DataError: the folder cannot be read, fits no label, or holds no photo.
    """
    try:
        names = sorted(
            path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."
        )
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
    matched = match(names, labels)
    photos = [
        (photo, label)
        for name, label in matched.found.items()
        for photo in list_photos(folder / name)
    ]
    if not photos:
        raise DataError(f"There is no photo in the folders of {folder}.")
    return photos, list(matched.left_out)


def _answer(classifier: Classifier, photo: Path) -> Prediction | PhotoError:
    try:
        return retry_while_busy(lambda path: classifier.identify(path, patient=True), photo)
    except PhotoError as error:
        return error
