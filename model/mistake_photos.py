"""Held-out photos that a model got wrong, as far as the owner shows them."""

from pathlib import Path

from .classifier import read_file
from .errors import MissingPhoto
from .photo import Photo, read
from .settings import settings

__all__ = ["mistake_photo"]


def mistake_photo(model: str, name: str, *, side: int = 256) -> Photo | None:
    """Return a held-out photo of a model; None if ``LOUPE_PHOTOS`` is not set.

    It is searched in the folder's subfolder with the model's name, then in the folder.

    Args:
        model: the model's name.
        name: the photo's path below one of the two, as the card has it. Cards are untrusted, so
            a path that leads out of the folder is not followed.
        side: shorter side that suffices, in pixels.

    Raises:
        PhotoError: it is missing or cannot be read.
    """
    folder = settings().photos
    if folder is None:
        return None
    for start in (folder / model, folder):
        if path := _within(folder, start, name):
            return read(read_file(path), resize=side)
    raise MissingPhoto("This photo isn't in the folder of held-out photos.")


def _within(folder: Path, start: Path, name: str) -> Path | None:
    """Return the file of that name below ``start``, unless a link leads out of ``folder``."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    try:
        path = (start / name).resolve(strict=True)
        # Only regular files: opening a pipe would block.
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        # It is missing, its name contains a zero byte, or its links form a circle.
        return None
