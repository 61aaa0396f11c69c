"""Thumbnails of held-out photos, where the owner lets them be seen."""

from functools import lru_cache
from pathlib import Path

from PIL import ImageOps

from model import LoupeError, Photo
from model.mistake_photos import mistake_photo
from model.settings import settings

__all__ = ["thumbnail"]

SIDE = 208


def thumbnail(model: str, name: str) -> bytes | None:
    """The middle of a photo, a small square JPEG encoded anew.

    None where the photo is not at hand or cannot be read.
    """
    folder = settings().photos
    if folder is None:
        return None
    try:
        return _thumbnail(folder, model, name)
    except LoupeError:
        # Not kept: it may be there the next time.
        return None


@lru_cache(maxsize=128)
def _thumbnail(_folder: Path, model: str, name: str) -> bytes | None:
    photo = mistake_photo(model, name, side=SIDE // 2)
    if photo is None:
        return None
    return Photo.from_image(ImageOps.fit(photo.image, (SIDE, SIDE))).to_jpeg(SIDE)
