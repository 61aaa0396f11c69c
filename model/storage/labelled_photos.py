"""Find photos and labels in a folder with one folder per label, split or not."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from ..errors import DataError
from ..text import clean, list_some
from .photo_files import list_photos, printable

UNNAMED, MAX_NAME = "other photos", 100


def name_folders(folders: Mapping[str, Path] | Iterable[str | Path]) -> dict[str, Path]:
    """Return folders of OOD photos by the name of their set, which visitors read.

    Without a name (``NAME=FOLDER``) they are "other photos": the folder's own name is not for
    visitors.

    Raises:
        DataError: two sets have the same name.
    """
    if isinstance(folders, Mapping):
        return {**folders}
    named: dict[str, Path] = {}
    for word in map(str, folders):
        name, separator, path = word.partition("=")
        if not separator or Path(word).is_dir():
            number = sum(other.startswith(UNNAMED) for other in named) + 1
            name, path = UNNAMED if number == 1 else f"{UNNAMED} {number}", word
        if (name := clean(name)[:MAX_NAME] or UNNAMED) in named:
            raise DataError(f"Two folders of unknown photos have the name {name!r}. Rename one.")
        named[name] = Path(path)
    return named


def list_subfolders(folder: Path, *, follow_links: bool = True) -> list[Path]:
    """Return the folders in a folder, sorted by name, without hidden ones.

    Without ``follow_links``, those that are symbolic links are left out.

    Raises:
        DataError: the folder can't be read.
    """
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.is_dir() and path.name[0] != "." and (follow_links or not path.is_symlink())
        )
    except OSError as error:
        raise DataError(f"{folder} can't be read: {error.strerror}.") from error


def find_file(folder: Path, name: str) -> Path | None:
    """Return a file below a folder by its relative name, which may be untrusted; None without one.

    Hidden files and symbolic links are never found.
    """
    path = folder
    with suppress(OSError, ValueError):  # a name that no file can have
        for part in name.split("/"):
            path /= part
            if path.name != part or part.startswith(".") or path.is_symlink():
                return None
        return path if path.is_file() else None
    return None


Part = Literal["train", "held out", "test", "added"]
PARTS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "held out"),
    **dict.fromkeys(("test", "testing"), "test"),
}
RECORDING = "/recording-"
"""Part of the path of a photo from a recording that was made in *Teach*."""


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo with its label; ``part`` is None if the folders are not split.

    Photos of the part "added" are trained on, however the others are split.
    """

    path: Path
    name: str
    label: str
    part: Part | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """All photos under a folder, and its labels in alphabetical order.

    ``ignored`` are files that aren't photos; ``empty`` are folders without a photo.
    """

    labels: tuple[str, ...]
    photos: tuple[LabelledPhoto, ...]
    ignored: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def is_split(self) -> bool:
        """True if folders say which photos are held out."""
        return any(photo.part not in (None, "added") for photo in self.photos)


def discover(folder: Path, *, follow_links: bool = True) -> Dataset:
    """Find photos and labels by the names of folders.

    Either ``folder/LABEL/…`` or ``folder/train/LABEL/…`` with ``valid`` (or ``validation``,
    ``val``, ``dev``), and perhaps ``test``, beside ``train``. If ``test`` is the only
    other one, its photos are held out. Without ``follow_links``, symbolic links are left out.

    Raises:
        DataError: there are fewer than two labels, or a label without training photos.
    """
    dataset = find_photos(folder, follow_links=follow_links)
    if len(dataset.labels) < 2:
        count = "1 label" if dataset.labels else "no labels"
        raise DataError(
            f"{folder} has photos for {count}; a model needs at least two. Use one folder per "
            "label: photos/cat/1.jpg, photos/dog/2.jpg, …"
        )
    if untrained := sorted({photo.label for photo in dataset.photos} - set(dataset.labels)):
        raise DataError(
            f"Photos of {list_some(untrained)} are held out, but there are none to train on. Use "
            "the same folder names in each part, or remove those folders."
        )
    return dataset


def find_photos(folder: Path, *, follow_links: bool = True) -> Dataset:
    """Find photos and labels as ``discover`` does, even too few; training photos give the labels.

    Raises:
        DataError: the folder cannot be read.
    """
    photos, ignored, empty = list[LabelledPhoto](), list[str](), []
    for part, parent in _find_parts(folder, follow_links):
        for label_folder in list_subfolders(parent, follow_links=follow_links):
            paths = list_photos(label_folder, follow_links=follow_links)
            label = printable(Path(label_folder.name))
            photos += [
                LabelledPhoto(path, printable(path.relative_to(folder)), label, part)
                for path in paths
            ]
            others = _other_files(label_folder, paths)
            ignored += [printable(path.relative_to(folder)) for path in others]
            if not paths:
                empty.append(printable(label_folder.relative_to(folder)))
    labels = sorted({photo.label for photo in photos if photo.part in (None, "train")})
    return Dataset(tuple(labels), tuple(photos), tuple(ignored), tuple(empty))


def add_photos(dataset: Dataset, folder: Path) -> Dataset:
    """Return a dataset with the photos in ``folder/LABEL/…`` added, for training only.

    Photos of labels that the dataset lacks are among its ignored files.
    """
    found = [
        LabelledPhoto(path, f"added/{printable(path.relative_to(folder))}", label, "added")
        for subfolder in list_subfolders(folder)
        for label in [printable(Path(subfolder.name))]
        for path in list_photos(subfolder)
    ]
    known = [photo for photo in found if photo.label in dataset.labels]
    ignored = [photo.name for photo in found if photo.label not in dataset.labels]
    return replace(dataset, photos=(*dataset.photos, *known), ignored=(*dataset.ignored, *ignored))


def _other_files(folder: Path, photos: list[Path]) -> list[Path]:
    """Return files under a folder that are not among its photos, except hidden ones."""
    return [
        path
        for path in sorted({*folder.rglob("*")} - {*photos})
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _find_parts(folder: Path, follow_links: bool) -> list[tuple[Part | None, Path]]:
    subfolders = partial(list_subfolders, follow_links=follow_links)
    part_of = {path: PARTS.get(path.name.casefold()) for path in subfolders(folder)}
    parts = [(part, path) for path, part in part_of.items() if part and subfolders(path)]
    kinds = {part for part, _ in parts}
    if "train" not in kinds or len(kinds) < 2:
        return [(None, folder)]
    if "held out" not in kinds:
        parts = [("held out" if part == "test" else part, path) for part, path in parts]
    return list(parts)
