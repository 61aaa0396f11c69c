"""Held-out photos that the owner lets be seen: those that a model's card names as mistakes."""

from pathlib import Path

from .classifier import read_file
from .errors import MissingPhoto
from .photo import Photo, read
from .settings import settings

__all__ = ["mistake_photo"]


def mistake_photo(model: str, name: str, *, side: int = 256) -> Photo | None:
    """A held-out photo of a model, about as small as asked; None where no folder is set.

    It is looked for in the folder's subfolder of the model's name, then in the folder.

    Args:
        model: the model's name.
        name: the photo's path below one of the two, as a card has it. Anybody may
            have written that card: a path that leads out of the folder is not followed.
        side: pixels of the shorter side that are enough.

    Raises:
        PhotoError: it is not there, or cannot be read.
    """
    folder = settings().photos
    if folder is None:
        return None
    for start in (folder / model, folder):
        if path := _within(folder, start, name):
            return read(read_file(path), resize=side)
    raise MissingPhoto("This photo is not among the held-out photos here.")


def _within(folder: Path, start: Path, name: str) -> Path | None:
    """The file of that name below ``start``; links are followed as far as ``folder`` holds them."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    try:
        path = (start / name).resolve(strict=True)
        # Only a plain file is opened: a pipe would be waited for.
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        # Not there, a name with a zero in it, links that go round in a circle.
        return None
