"""Photos of a zip, written into the folder of a photo set by label and content."""

import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from ..bundle import StrictModel
from ..errors import ArchiveError, DataError, PhotoError
from ..photo.formats import SIGNATURE_BYTES, SUFFIXES, detect_format
from ..storage import zips
from ..storage.labelled_photos import RECORDING
from ..storage.photo_files import PhotoFile
from ..text import INVISIBLE, VISIBLE, clean

MAX_PHOTOS, MAX_SET_BYTES = 20_000, 2 * 2**30
"""Most photos and bytes of a set in the data folder."""

MAX_REFUSED = 20
"""Most refused photos that are named."""

MAX_LABEL_CHARS = 60
NAME_DIGITS = 24
"""Hex digits of a photo's SHA-256 that form its file's name."""

PROJECT = "project.json"
"""Marks a zip as a project of *Teach*; written by ``device/teach/project.mjs``."""

MAX_PROJECT_BYTES = 2**20
FILE = "file-"
"""Prefix of the recordings of photos that were added to *Teach* as files."""


def is_label(text: str) -> bool:
    """Return whether a text can be a label and, on any disk, the name of its folder."""
    is_visible = VISIBLE.search(text) and not INVISIBLE.search(text)
    is_name = "/" not in text and zips.is_portable_path(text)
    return bool(is_visible) and is_name and len(text) <= MAX_LABEL_CHARS


def require_distinct(new: Iterable[str], existing: Collection[str]) -> None:
    """Check that no disk takes a new label for another one.

    Raises:
        DataError: it differs from another one only in case or Unicode form.
    """
    labels = {zips.disk_key(label): label for label in existing}
    for label in sorted({*new}.difference(existing)):
        other = labels.setdefault(zips.disk_key(label), label)
        if other != label:
            raise DataError(
                f"“{other}” and “{label}” differ only in case or Unicode form, which some disks "
                "ignore. Use one of them for both."
            )


class ProjectPhoto(StrictModel):
    """A photo's label, as an index of the list of labels, and the photo's recording."""

    label: Annotated[int, Field(ge=0)]
    recording: Annotated[str, Field(min_length=1, max_length=60)]


class Project(StrictModel):
    """``project.json``; photo N is the file ``photos/N.jpg``, counted from 001."""

    format: Literal[1]
    title: Annotated[str, Field(max_length=60)]
    labels: Annotated[tuple[str, ...], Field(max_length=20)]
    photos: Annotated[tuple[ProjectPhoto, ...], Field(max_length=500)]


@dataclass(frozen=True, slots=True)
class SavedPhotos:
    """The result of unpacking a zip.

    Attributes:
        counts: numbers of photos that the set now has, by label.
        added: how many of them are new.
        copies: duplicates that were left out, of photos in the zip or in the set.
        refused: the first refused photos' names with the reasons.
        refused_count: how many were refused.
    """

    counts: dict[str, int]
    added: int
    copies: int
    refused: list[str]
    refused_count: int


ZipPhoto = tuple[PhotoFile, str, str]
"""A photo, its label ("" in no folder) and its recording ("" for none)."""


def label_photos(zipped: zipfile.ZipFile, photos: Sequence[PhotoFile]) -> Iterator[ZipPhoto]:
    """Yield photos with their labels and recordings, by *Teach*'s project or else their folders.

    Raises:
        ArchiveError: the project is not valid, or does not list exactly these photos.
    """
    project = _read_project(zipped)
    if project is None:
        yield from ((photo, photo.folder or "", "") for photo in photos)
        return
    files = {photo.name: photo for photo in photos}
    names = [f"photos/{number:03}.jpg" for number in range(1, len(project.photos) + 1)]
    if files.keys() != {*names} or len(photos) != len(names):
        raise _project_error("its photos aren't those in the zip")
    sizes = Counter((entry.label, entry.recording) for entry in project.photos)
    for name, entry in zip(names, project.photos, strict=True):
        if entry.label >= len(project.labels):
            raise _project_error("a photo has no label")
        is_file = entry.recording.startswith(FILE) and sizes[entry.label, entry.recording] == 1
        label = clean(project.labels[entry.label], keep_spaces=True)
        yield files[name], label, "" if is_file else entry.recording


def _read_project(zipped: zipfile.ZipFile) -> Project | None:
    info = next((one for one in zipped.infolist() if one.orig_filename == PROJECT), None)
    if info is None:
        return None
    try:
        text = zips.read_member(zipped, info, MAX_PROJECT_BYTES)
        return Project.model_validate_json(text, strict=True)
    except (zips.ZipDamaged, ValidationError):
        raise _project_error("it is damaged or of another format") from None


def _project_error(why: str) -> ArchiveError:
    return ArchiveError(
        f"{PROJECT} in this zip can't be used: {why}. Save the project again in Teach, or zip "
        f"folders of photos without a {PROJECT}."
    )


class SetWriter:
    """The writer of a new set's folder: no duplicates in a label, one folder per recording."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._bytes = folder, 0
        self._places: dict[tuple[str, str], Path] = {}
        """Each photo's folder, by the photo's label and the digits of its file's name."""
        self._recordings: dict[tuple[str, str], Path] = {}
        self._added, self._copies, self._refused = 0, 0, list[str]()

    @property
    def result(self) -> SavedPhotos:
        """The result so far."""
        counts = Counter(label for label, _ in sorted(self._places))
        refused = self._refused
        return SavedPhotos(
            dict(counts), self._added, self._copies, refused[:MAX_REFUSED], len(refused)
        )

    def keep(self, photo: Path, inside: Path) -> None:
        """Hard-link or copy a photo that the set has; ``inside`` is its path in the set."""
        path = self._folder / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.hardlink_to(photo)
        except OSError:  # this disk has no hard links
            path.write_bytes(photo.read_bytes())
        self._note(path, inside.parts[0], photo.stat().st_size)

    def add(self, photo: PhotoFile, label: str, recording: str) -> None:
        """Write a photo of a zip, unless the set has it; or note why it is refused.

        Raises:
            ArchiveError: the set is full.
        """
        if not is_label(label):
            why = (
                f"{label!r} can't be a label. Rename it."
                if label
                else "It is in no folder. Use one folder per label."
            )
            self._refused.append(f"{photo.name}: {why}")
            return
        try:
            data = photo.read()
        except PhotoError as error:
            self._refused.append(f"{photo.name}: {error}")
            return
        digits = sha256(data).hexdigest()[:NAME_DIGITS]
        place = self._places.get((label, digits))
        if place is None:
            place = self._recordings.get((label, recording)) or self._new_place(label, recording)
            path = place / f"{digits}{_suffix_of(photo.name, data)}"
            place.mkdir(parents=True, exist_ok=True)
            self._note(path, label, len(data))
            path.write_bytes(data)
            self._added += 1
        else:
            self._copies += 1
        if recording and place != self._folder / label:
            self._recordings.setdefault((label, recording), place)

    def _new_place(self, label: str, recording: str) -> Path:
        folder, number = self._folder / label, 1
        if not recording:
            return folder
        while (place := folder / f"{RECORDING.strip('/')}{number}").exists():
            number += 1
        return place

    def _note(self, path: Path, label: str, size: int) -> None:
        self._places[label, path.stem] = path.parent
        self._bytes += size
        if len(self._places) > MAX_PHOTOS or self._bytes > MAX_SET_BYTES:
            raise ArchiveError(
                f"A set has at most {MAX_PHOTOS:,} photos and {MAX_SET_BYTES / 2**30:.0f} GB. "
                "Send fewer photos, or make a second set."
            )


def _suffix_of(name: str, data: bytes) -> str:
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    return f".{detect_format(data[:SIGNATURE_BYTES]) or 'jpeg'}".lower()
