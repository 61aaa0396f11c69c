"""The owner's review of corrections, the photos to train on, and corrections as a zip."""

import re
import threading
import unicodedata
import zipfile
from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pathvalidate import sanitize_filename
from pathvalidate.handler import ReservedNameHandler

from ..bundle import get_bundle
from ..errors import BundleError, DataError
from ..settings import settings
from ..storage.disk import number_names, replace_atomically
from ..storage.zips import disk_key, escape_formula, write_csv
from .store import FOLDER, PHOTO_PREFIX, WORDINGS, Correction, CorrectionStore, Review

CSV_NAME = "corrections.csv"

COLUMNS = "id created model version engine predicted probability label known file wording".split()

MAX_NAME_BYTES = 180
"""Longest name of a folder, in UTF-8 bytes; most file systems end at 255."""

EDGES = re.compile(r"^[\s.]+|[\s.]+$")
"""Spaces and dots at the ends of a name."""


class FolderNames:
    """A safe folder name for each label; never the same for two labels."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        # A folder must not take the table's name.
        self._taken = {disk_key(CSV_NAME)}

    def get_name(self, label: str) -> str:
        """Return the label's folder; labels that look alike on a disk get different ones."""
        if label not in self._names:
            names = number_names(_to_safe_name(label))
            name = next(name for name in names if disk_key(name) not in self._taken)
            self._taken.add(disk_key(name))
            self._names[label] = name
        return self._names[label]


def export_corrections(store: CorrectionStore, file: Path) -> int:
    """Write all corrections and photos into a zip; return the number of corrections.

    ``corrections.csv`` has every row; a row's photo is in its label's folder, as ``LABEL/ID.jpg``,
    so that the zip unpacks to one folder per label. An existing file is replaced only once the
    zip is complete.

    Raises:
        DataError: the database can't be read, or the file can't be written.
    """
    folders, rows = FolderNames(), []
    try:
        with replace_atomically(file) as temporary:
            # It may hold visitors' photos.
            temporary.touch(mode=0o600)
            with zipfile.ZipFile(temporary, "w") as archive:
                for correction in store.iter_corrections():
                    path = ""
                    # A photo may have been deleted since its row was read.
                    if correction.has_photo and (photo := store.get_photo(correction.id)):
                        path = f"{folders.get_name(correction.label)}/{correction.id}.jpg"
                        timestamp = correction.created.timetuple()[:6]
                        archive.writestr(zipfile.ZipInfo(path, timestamp), photo)
                    rows.append(_to_row(correction, path))
                archive.writestr(CSV_NAME, write_csv(COLUMNS, rows), zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise DataError(f"{file} can't be written: {error.strerror}.") from error
    return len(rows)


def _to_row(correction: Correction, path: str) -> list[object]:
    values = asdict(correction) | {
        "created": correction.created.isoformat(timespec="seconds"),
        "probability": f"{correction.probability:.6f}",
        "known": int(correction.known),
        "file": path,
    }
    return [values[column] for column in COLUMNS]


def _to_safe_name(label: str) -> str:
    """Return a name that every common system accepts and that stays inside its folder."""
    text = unicodedata.normalize("NFC", label.encode("utf-8", "replace").decode())
    # A dot in front hides a folder, and Windows drops one at the end.
    name = sanitize_filename(
        EDGES.sub("", text),
        replacement_text="_",
        platform="universal",
        max_len=MAX_NAME_BYTES,
        reserved_name_handler=ReservedNameHandler.add_leading_underscore,
    )
    # Shortening may have made a space or a dot the last character.
    name = EDGES.sub("", name)
    # Spreadsheets could run such a name as a formula, and shells read it as an option.
    return f"_{name}" if not name or name != escape_formula(name) else name


MAX_PER_VISIT = 5
"""Most photos of a label that count from one visit, so that no visitor can flood a label."""

NEAR_BITS = 6
"""Bits of 64 in which near copies may differ."""

_lock = threading.Lock()


@dataclass(slots=True)
class ReviewItem:
    """Near copies with one label, reviewed as one; ``first`` is shown.

    Attributes:
        label: the owner's, else the visitors'.
        is_agreed: whether what the visitors read speaks of improving the model.
    """

    first: Correction
    ids: list[int]
    label: str
    is_agreed: bool


def list_items(
    corrections: Iterable[Correction], review: Review | None = None
) -> tuple[list[ReviewItem], Counter[tuple[str, str]]]:
    """Return what to review, the least likely label first; and the sizes of what one visit sent.

    Corrections without a photo are left out. The sizes are those above ``MAX_PER_VISIT``, by visit
    and label; the visit's later photos are left out.
    """
    sent, items = Counter[tuple[str, str]](), list[ReviewItem]()
    groups = defaultdict[tuple[str, str, bool], _Appearances](_Appearances)
    for one in corrections:
        if not one.has_photo:
            continue
        if one.visit:
            sent[one.visit, one.label] += 1
            if sent[one.visit, one.label] > MAX_PER_VISIT:
                continue
        if one.review == review:
            label = one.reviewed_label or one.label
            is_agreed = one.wording in WORDINGS.values()
            place = groups[label, one.model, is_agreed].find(one.appearance, len(items))
            if place == len(items):
                items.append(ReviewItem(one, [one.id], label, is_agreed))
            else:
                items[place].ids.append(one.id)
    items.sort(key=lambda item: item.first.label_probability or 0)
    return items, Counter({key: count for key, count in sent.items() if count > MAX_PER_VISIT})


class _Appearances:
    """Hashes of photos, and the places of their items."""

    def __init__(self) -> None:
        self._hashes, self._places = np.zeros(8, np.uint64), list[int]()

    def find(self, appearance: str | None, place: int) -> int:
        """Return the place of a near copy; without one, note the hash for ``place``."""
        if appearance is None:
            return place
        own, count = np.uint64(int(appearance, 16)), len(self._places)
        is_alike = np.bitwise_count(self._hashes[:count] ^ own) <= NEAR_BITS
        if is_alike.any():
            return self._places[int(is_alike.argmax())]
        if count == len(self._hashes):
            self._hashes = np.resize(self._hashes, 2 * count)
        self._hashes[count] = own
        self._places.append(place)
        return place


def training_folder(model: str) -> Path:
    """Return the folder of a model's kept corrections, with a folder of photos per label."""
    return settings().data / FOLDER / model


def write_training_photos(store: CorrectionStore, model: str) -> Counter[str]:
    """Write a model's kept photos to ``training_folder``, and no others; count them by label.

    Folders of labels that the model has bear their names; others may get a number.

    Raises:
        DataError: the database can't be read.
        OSError: a file can't be written.
    """
    known = set[str]()
    with suppress(BundleError):
        known.update(get_bundle(model).labels)
    with _lock:
        return _write(store, model, known)


def _write(store: CorrectionStore, model: str, known: Container[str]) -> Counter[str]:
    folder, names = training_folder(model), FolderNames()
    counts, wanted = Counter[str](), set[Path]()
    items, _ = list_items((one for one in store.iter_corrections() if one.model == model), "kept")
    # The model's labels first, so that no other label takes a folder of their name.
    for item in sorted(items, key=lambda item: (item.label not in known, item.label)):
        path = folder / names.get_name(item.label) / f"{PHOTO_PREFIX}{item.first.id}.jpg"
        photo = None if path.is_file() else store.get_photo(item.first.id)
        if photo is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replace_atomically(path) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_bytes(photo)
        wanted.add(path)
        counts[item.label] += 1
    for path in {*folder.glob(f"*/{PHOTO_PREFIX}*.jpg")} - wanted:
        path.unlink(missing_ok=True)
    return counts
