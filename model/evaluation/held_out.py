"""Photos that an owner gives: held-out ones, to compare new versions with old, and samples.

Held-out photos are kept in the data folder. Each comparison is counted, because photos that have
chosen often prove less each time.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..bundle import Bundle
from ..bundle.bundle_samples import SIDES_PX, SampleEntry, sample_jpeg, write_samples
from ..bundle.manifest import MAX_SAMPLES
from ..classifier import Classifier, read_file
from ..engines import start
from ..engines.compiled import OnnxEngine
from ..errors import ArchiveError, PhotoError
from ..events import SILENT, Progress
from ..photo import read
from ..settings import settings
from ..storage.disk import lock_folders, make_folder, publish_folder, replace_folder
from ..storage.labelled_photos import list_subfolders
from ..storage.photo_files import PhotoFile, list_photos
from ..text import count_of, list_some
from .paired import PairedEvaluation, evaluate_pair

USES = ".comparisons"
"""Hidden folder beside the labels', with an empty file for each pair that was compared."""


def held_out_folder(model: str) -> Path:
    """Return the folder with a folder of photos per label; it may not exist."""
    return settings().data / "held-out" / model


def save_held_out(model: str, photos: Iterable[PhotoFile]) -> None:
    """Replace a model's held-out photos, and forget its comparisons.

    Photos in no folder are left out, as are those that can't be unpacked.

    Raises:
        ArchiveError: no photo is in a folder.
        OSError: they can't be written.
    """

    def fill(new: Path) -> Path:
        for number, photo in enumerate(photos):
            label = photo.folder
            if not label or label != Path(label).name or label.startswith("."):
                continue
            with suppress(PhotoError):
                data = photo.read()
                (new / label).mkdir(mode=0o700, exist_ok=True)
                name = f"{number:06}{Path(photo.name).suffix.lower()}"
                (new / label / name).write_bytes(data)
        if not list_subfolders(new):
            raise ArchiveError("This zip has no folders of photos. Use one folder per label.")
        return held_out_folder(model)

    folder = held_out_folder(model).parent
    make_folder(folder)
    with lock_folders(folder):
        publish_folder(folder, fill, replace_folder)


def count_held_out(model: str) -> int:
    """Return the number of a model's held-out photos."""
    folder = held_out_folder(model)
    return sum(len(list_photos(one)) for one in list_subfolders(folder)) if folder.is_dir() else 0


def count_uses(model: str) -> int:
    """Return how many pairs of versions the photos have compared."""
    return sum(1 for _ in (held_out_folder(model) / USES).glob("*"))


def compare_versions(old: Bundle, new: Bundle, progress: Progress = SILENT) -> PairedEvaluation:
    """Compare two versions on the model's held-out photos, and count the comparison.

    Raises:
        LoupeError: see ``evaluate_pair``; a version can't be used.
    """
    folder = held_out_folder(old.name)
    # Not by ``load_bundle``, which would drop the version that visitors use from memory.
    before, after = (Classifier(bundle, start(bundle, "compiled")) for bundle in (old, new))
    before.run_golden_test()
    after.run_golden_test()
    figures = evaluate_pair(before, after, folder, progress)
    (folder / USES).mkdir(mode=0o700, exist_ok=True)
    (folder / USES / f"{old.version}-{new.version}").touch()
    return figures


MAX_TRIED = 20
"""Most photos of a label that are looked at."""


def add_samples(bundle: Bundle, photos: Iterable[tuple[Path, str]]) -> str:
    """Choose a bundle's samples among labelled photos, write them, and describe them in a line."""
    samples = choose_samples(Classifier(bundle, OnnxEngine(bundle)), photos)
    write_samples(bundle, samples)
    if not samples:
        return "No samples: the model names none of these photos right."
    labels = [entry.title for entry, _ in samples]
    return f"Visitors see {count_of(len(labels), 'photo')} as samples: {list_some(labels)}"


def choose_samples(
    classifier: Classifier, photos: Iterable[tuple[Path, str]]
) -> list[tuple[SampleEntry, bytes]]:
    """Return samples for ``write_samples``: per label, the likeliest of the right photos.

    At most ``MAX_SAMPLES``, of the labels that are named most surely, in the labels' order.
    """
    by_label: dict[str, list[Path]] = defaultdict(list)
    for path, label in photos:
        by_label[label].append(path)
    best: dict[str, tuple[float, bytes]] = {}
    for label, paths in by_label.items():
        for path in paths[:MAX_TRIED]:
            try:
                jpeg = sample_jpeg(read(read_file(path), resize=max(SIDES_PX)))
                prediction = classifier.identify(jpeg, timeout=None)
            except PhotoError:
                continue
            probability = prediction.top(1)[0].probability
            if prediction.answer == label and probability > best.get(label, (0, b""))[0]:
                best[label] = probability, jpeg
    surest = sorted(best, key=lambda label: -best[label][0])[:MAX_SAMPLES]
    return [
        (SampleEntry(title=label, alt=label, label=label), best[label][1])
        for label in classifier.bundle.labels
        if label in surest
    ]
