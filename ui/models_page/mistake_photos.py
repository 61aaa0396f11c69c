"""Held-out photos that a model got wrong, if the owner chooses to show them."""

from pathlib import Path

from model.classifier import read_file
from model.errors import MissingPhoto
from model.photo import Photo, read
from model.settings import settings

__all__ = ["mistake_photo"]


def mistake_photo(model: str, name: str, *, side: int = 256) -> Photo | None:
    """Return a held-out photo of a model; None if ``LOUPE_PHOTOS`` is not set.

    The subfolder with the model's name is searched first, then the folder itself.

    Args:
        model: the model's name.
        name: the photo's path below either folder, as listed on the card. Cards are untrusted,
            so a path that leads out of the folder is not followed.
        side: shorter side that is needed, in pixels.

    Raises:
        PhotoError: it is missing or cannot be read.
    """
    folder = settings().photos
    if folder is None:
        return None
    for parent in (folder / model, folder):
        if path := _resolve_within(folder, parent, name):
            return read(read_file(path), resize=side)
    raise MissingPhoto("This photo isn't in the folder of held-out photos.")


def _resolve_within(folder: Path, parent: Path, name: str) -> Path | None:
    """Return the file of that name below ``parent``, unless a link leads out of ``folder``."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    try:
        path = (parent / name).resolve(strict=True)
        # Only regular files: opening a pipe would block.
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        # The file is missing, its name contains a zero byte, or its links form a circle.
        return None
