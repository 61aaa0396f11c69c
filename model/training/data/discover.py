"""A folder with a folder a label, or one of those for training and one held out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...errors import DataError
from ...photo_files import list_photos, printable

__all__ = ["Dataset", "LabelledPhoto", "Part", "discover"]

Part = Literal["train", "held out", "test"]
PARTS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "held out"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo with its label. ``part`` is None where the folders do not say it."""

    path: Path
    name: str
    label: str
    part: Part | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """All photos under a folder, and its labels in alphabetical order.

    ``ignored`` are files that are no photos, ``empty`` folders without a photo.
    """

    labels: tuple[str, ...]
    photos: tuple[LabelledPhoto, ...]
    ignored: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def parted(self) -> bool:
        """Whether folders say which photos are held out."""
        return any(photo.part for photo in self.photos)


def discover(folder: Path) -> Dataset:
    """Find photos and labels by the names of folders.

    Either ``folder/LABEL/…`` or ``folder/train/LABEL/…`` with ``valid`` (or
    ``validation``, ``val``, ``dev``), and perhaps ``test``, beside ``train``.
    With ``test`` alone beside ``train``, that one is held out.

    Raises:
        DataError: there are fewer than two labels, or a label that nothing is trained on.
    """
    parts = _parts(folder)
    photos, ignored, empty = list[LabelledPhoto](), list[str](), []
    for part, where in parts:
        for label in _folders(where):
            found, name = list_photos(label), printable(Path(label.name))
            photos += [
                LabelledPhoto(path, printable(path.relative_to(folder)), name, part)
                for path in found
            ]
            ignored += [printable(path.relative_to(folder)) for path in _others(label, found)]
            if not found:
                empty.append(printable(label.relative_to(folder)))
    labels = sorted({photo.label for photo in photos if photo.part in (None, "train")})
    if len(labels) < 2:
        raise DataError(
            f"{folder} has photos of {len(labels)} labels, and a model needs two or more. Put the "
            "photos into one folder a label: photos/cat/1.jpg, photos/dog/2.jpg, …"
        )
    strange = sorted({photo.label for photo in photos} - set(labels))
    if strange:
        raise DataError(
            f"There are photos held out of {', '.join(strange)}, but none to learn it from. Name "
            "the folders alike, or take that one away."
        )
    return Dataset(tuple(labels), tuple(photos), tuple(ignored), tuple(empty))


def _others(folder: Path, photos: list[Path]) -> list[Path]:
    """Files under a folder that are not among its photos; hidden ones do not count."""
    known = {*photos}
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path not in known
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
        )
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error


def _parts(folder: Path) -> list[tuple[Part | None, Path]]:
    named = {path: PARTS.get(path.name.casefold()) for path in _folders(folder)}
    parts = [(part, path) for path, part in named.items() if part and _folders(path)]
    kinds = {part for part, _ in parts}
    if "train" not in kinds or len(kinds) < 2:
        return [(None, folder)]
    if "held out" not in kinds:
        parts = [("held out" if part == "test" else part, path) for part, path in parts]
    return list(parts)
