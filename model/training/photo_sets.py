"""The owner's photo sets, each a folder with a folder of photos per label, to train models on.

Sets in the data folder can be extended and deleted; sets in ``LOUPE_PHOTOS`` are read-only. The
owner's label changes are saved in the data folder, and the photo files stay unchanged.
"""

import json
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from ..bundle import check_name
from ..errors import ArchiveError, DataError, FolderExists
from ..settings import settings
from ..storage import disk
from ..storage.labelled_photos import Dataset, find_file, find_photos, list_subfolders
from ..storage.photo_files import list_photos, open_photos
from ..text import count_of, list_some
from .training_job import require_idle
from .unpacked_photos import (
    MAX_LABEL_CHARS,
    MAX_PHOTOS,
    MAX_SET_BYTES,
    SavedPhotos,
    SetWriter,
    is_label,
    label_photos,
    require_distinct,
)

Mode = Literal["new", "add", "replace"]
"""The effect of a zip on a photo set: create, extend or replace it."""

CHANGES, REPORT = ".json", ".report.json"
"""Suffixes of the files about a set: the owner's changes, and the report on its photos."""

Changes = dict[str, str | None]
"""New labels by ``LabelledPhoto.name``; None for a photo that is left out."""


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """A photo set; ``is_own`` is true for sets in the data folder, which can be changed."""

    name: str
    folder: Path
    is_own: bool

    @property
    def changes_file(self) -> Path:
        """The file with the owner's changes; it may not exist."""
        return sidecar_file(self.name, CHANGES)


@dataclass(frozen=True, slots=True)
class PhotoNames:
    """The names of a set's photos after the changes.

    ``by_label`` omits those that are left out; ``left_out`` and ``relabelled`` map names to the
    original labels.
    """

    by_label: dict[str, list[str]]
    left_out: dict[str, str]
    relabelled: dict[str, str]


def photos_folder() -> Path:
    """Return the folder in the data folder that holds the owner's sets; it may not exist."""
    return settings().data / "photos"


def sidecar_file(name: str, suffix: str) -> Path:
    """Return the path in the data folder of a file about a set; it may not exist."""
    return photos_folder() / ".changes" / f"{name}{suffix}"


def list_photo_sets() -> dict[str, PhotoSet]:
    """Return all sets by name; a set in the data folder hides its namesake in ``LOUPE_PHOTOS``.

    Raises:
        DataError: a folder cannot be read.
    """
    hidden = photos_folder().glob(f"{disk.OLD_PREFIX}*")
    if any(not old.with_name(old.name.removeprefix(disk.OLD_PREFIX)).exists() for old in hidden):
        # A process was killed while replacing the set, or is replacing it now.
        with disk.lock_folders(photos_folder()):
            pass
    return _list_sets()


def _list_sets() -> dict[str, PhotoSet]:
    sets: dict[str, PhotoSet] = {}
    for root, is_own in ((settings().photos, False), (photos_folder(), True)):
        for folder in list_subfolders(root, follow_links=False) if root and root.is_dir() else ():
            with suppress(DataError):
                check_name(folder.name, {folder.name})
                sets[folder.name] = PhotoSet(folder.name, folder, is_own)
    return dict(sorted(sets.items()))


def get_photo_set(name: str) -> PhotoSet:
    """Return the set of that name.

    Raises:
        DataError: there is none, or a folder cannot be read.
    """
    sets = list_photo_sets()
    if name not in sets:
        names = list_some([*sets]) or "none"
        raise DataError(f"There is no photo set {name!r}. Available: {names}.")
    return sets[name]


def read_changes(path: Path) -> Changes:
    """Return a set's changes; empty if the file is missing.

    Raises:
        DataError: the file is damaged.
    """
    try:
        return TypeAdapter(Changes).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return {}
    except ValidationError:
        raise DataError(
            f"{path} is damaged. Delete it; that undoes all label changes of this photo set."
        ) from None


def change_photos(photo_set: PhotoSet, labels: Mapping[str, str | None]) -> None:
    """Relabel photos by ``LabelledPhoto.name``; names that are not in the set are ignored.

    None leaves a photo out, "" undoes its changes.

    Raises:
        DataError: a new label is not valid or not distinct, the file of changes is damaged, or see
            ``require_idle``.
        OSError: the file cannot be written.
    """
    names = photos_by_label(photo_set)
    existing = {*names.by_label, *names.left_out.values(), *names.relabelled.values()}
    new = {label for label in labels.values() if label} - existing
    for label in new:
        if not is_label(label):
            raise DataError(
                f"{label!r} can't be a label: it must be a valid folder name of up to "
                f"{MAX_LABEL_CHARS} characters. Use letters, digits, spaces and hyphens."
            )
    require_distinct(new, existing)
    require_idle(photo_set.name)
    found = {name: label for name, label in labels.items() if find_file(photo_set.folder, name)}
    file = photo_set.changes_file
    disk.make_folder(file.parent)
    with FileLock(file.with_suffix(".lock")):
        changes = {**read_changes(file), **found}
        changes = {name: label for name, label in changes.items() if label != ""}
        with disk.replace_atomically(file, durable=True) as temporary:
            temporary.write_text(json.dumps(changes, indent=1), encoding="utf-8")


def apply_changes(dataset: Dataset, changes: Mapping[str, str | None]) -> Dataset:
    """Return a dataset without the photos that are left out, and with the others' new labels.

    Raises:
        DataError: fewer than two labels remain.
    """
    photos = tuple(
        replace(photo, label=label)
        for photo in dataset.photos
        if (label := changes.get(photo.name, photo.label)) is not None
    )
    labels = tuple(sorted({photo.label for photo in photos}))
    if len(labels) < 2:
        raise DataError(
            f"After your changes, there are photos for {count_of(len(labels), 'label')}; a model "
            "needs at least two. Restore some photos."
        )
    return replace(dataset, labels=labels, photos=photos)


def photos_by_label(photo_set: PhotoSet) -> PhotoNames:
    """Return the names of a set's photos by label, even if there is only one label.

    Raises:
        DataError: the folder or the changes cannot be read.
    """
    changes = read_changes(photo_set.changes_file)
    found = PhotoNames({}, {}, {})
    for photo in find_photos(photo_set.folder, follow_links=False).photos:
        label = changes.get(photo.name, photo.label)
        if label is None:
            found.left_out[photo.name] = photo.label
            continue
        found.by_label.setdefault(label, []).append(photo.name)
        if label != photo.label:
            found.relabelled[photo.name] = photo.label
    return replace(found, by_label=dict(sorted(found.by_label.items())))


def require_target(name: str, mode: Mode) -> None:
    """Check that a zip may be unpacked to the set of that name.

    Raises:
        DataError: the name is not valid for a model, the set is read-only or, to add to it,
            missing, or see ``require_idle``.
        FolderExists: ``mode`` is "new", but the set exists.
    """
    sets = _list_sets()
    check_name(name, sets)
    require_idle(name)
    photo_set = sets.get(name)
    if photo_set is None and mode == "add":
        raise DataError(f"There is no photo set {name!r} any more.")
    if photo_set is None:
        require_distinct([name], [path.name for path in photos_folder().glob("*")])
    if photo_set and not photo_set.is_own:
        raise DataError(f"{name!r} is in LOUPE_PHOTOS, which is read-only. Choose another name.")
    if photo_set and mode == "new":
        raise FolderExists(f"Photo set {name!r} already exists. Add to it, or choose another name.")


def save_zip(name: str, file: BinaryIO, *, mode: Mode) -> SavedPhotos:
    """Unpack a zip of photos, or a project of *Teach*, into a set in the data folder.

    After a kill, the set is unchanged or complete. Photos are named by their content, so sending
    a zip again adds nothing. The owner's changes stay.

    Raises:
        ArchiveError: the zip is refused, has no photo with a label, or the set would be too large.
        DataError: see ``require_target``; or the disk has too little space.
        FolderExists: see ``require_target``.
        OSError: a file cannot be written.
    """
    photos = open_photos(file, MAX_PHOTOS, MAX_SET_BYTES)
    zipped, root = zipfile.ZipFile(file), photos_folder()
    writers: list[SetWriter] = []

    def fill(new: Path) -> Path:
        writers.append(writer := SetWriter(new))
        if mode == "add":
            for path in list_photos(root / name, follow_links=False):
                writer.keep(path, path.relative_to(root / name))
        labelled = [*label_photos(zipped, photos)]
        require_distinct((label for _, label, _ in labelled), writer.result.counts)
        for photo in labelled:
            writer.add(*photo)
        if not writer.result.counts:
            refused = writer.result.refused
            raise ArchiveError(f"No photo in this zip can be used. {refused[0]}")
        return root / name

    disk.make_folder(root)
    with disk.lock_folders(root):
        require_target(name, mode)
        disk.require_space(root, sum(info.file_size for info in zipped.infolist()))
        disk.publish_folder(root, fill)
    return writers[0].result


def delete_photo_set(photo_set: PhotoSet) -> None:
    """Delete a set in the data folder, its changes and its report.

    Raises:
        DataError: the set is read-only, or see ``require_idle``.
        OSError: the set cannot be deleted.
    """
    if not photo_set.is_own:
        raise DataError(f"{photo_set.name!r} is in LOUPE_PHOTOS, which is read-only.")
    require_idle(photo_set.name)
    with disk.lock_folders(photos_folder()):
        # One rename, so that a kill leaves no partial set.
        gone = photo_set.folder.with_name(f"{disk.NEW_PREFIX}gone-{photo_set.name}")
        shutil.rmtree(gone, ignore_errors=True)
        with suppress(FileNotFoundError):
            photo_set.folder.rename(gone)
        for suffix in (CHANGES, REPORT):
            sidecar_file(photo_set.name, suffix).unlink(missing_ok=True)
    shutil.rmtree(gone, ignore_errors=True)
