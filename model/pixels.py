"""Pixels as a browser sends them: what a model takes, made from a photo on the visitor's device."""

import zlib

import numpy as np

from .bundle import Bundle
from .errors import DamagedPhoto, OtherVersion
from .preprocess import Pixels


def read_pixels(data: bytes, bundle: Bundle, version: str, *, packed: bool = False) -> Pixels:
    """Return the pixels in a request's body; nothing is decoded as a picture.

    Args:
        data: uint8 [height, width, 3] of the recipe's size, or the same packed as by
            ``device/engine/preprocess.mjs``.
        bundle: the model that is to answer.
        version: the one whose recipe made them.
        packed: whether they are packed.

    Raises:
        OtherVersion: the model has been replaced since.
        DamagedPhoto: they are of another length.
    """
    if version != bundle.version:
        raise OtherVersion("This model has been replaced. Make the pixels again, by its recipe.")
    height, width = bundle.manifest.recipe.size
    length = height * width * 3
    if packed:
        data = _inflate(data, length)
    if len(data) != length:
        raise DamagedPhoto(
            f"These aren't the pixels of a photo: this model takes {height} × {width} × 3 bytes. "
            "Send the photo itself."
        )
    if not packed:
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)
    planes = np.frombuffer(data, np.uint8).reshape(3, height, width)
    pixels = np.cumsum(planes, axis=1, dtype=np.uint8).transpose(1, 2, 0)
    pixels[..., ::2] += pixels[..., 1:2]
    return np.ascontiguousarray(pixels)


def _inflate(data: bytes, length: int) -> bytes:
    """Return what a zlib stream holds; empty if it is damaged, or not exactly ``length`` bytes."""
    stream = zlib.decompressobj()
    try:
        # One byte more would show that it is longer.
        inflated = stream.decompress(data, length + 1)
    except zlib.error:
        return b""
    return inflated if stream.eof and not stream.unused_data else b""
