"""Photos drawn by code, in every format that is read."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

LOSSY = {"JPEG": 12, "PNG": 0, "WEBP": 12, "HEIF": 14, "AVIF": 14, "GIF": 8, "BMP": 0, "TIFF": 0}
"""How far a drawn photo may be from itself after saving, by format, in levels of 255."""

ORIENTED = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF")
"""The formats that carry EXIF."""


def drawn(width: int, height: int, seed: int = 0) -> Image.Image:
    """Return an RGB picture of soft colours and some noise, different in each corner."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    soft = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise = random.integers(-12, 13, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(soft) + noise, 0, 255).astype(np.uint8))


def opened_by_pillow(data: bytes) -> Image.Image:
    """Return what fastai's ``PILImage.create`` makes of a file, on white if it is transparent."""
    image: Image.Image = Image.open(io.BytesIO(data))
    if image.mode in ("RGBA", "LA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image.convert("RGB")


def difference(image: Image.Image, other: Image.Image) -> float:
    """Return how far two images differ, on average, 0 to 255."""
    assert image.size == other.size
    levels = [np.asarray(picture.convert("RGB")).astype(int) for picture in (image, other)]
    return float(np.abs(levels[0] - levels[1]).mean())


def encoded(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    """Return an image as a file's bytes; options go to the encoder."""
    file = io.BytesIO()
    if format == "HEIF":
        pillow_heif.from_pillow(image).save(file, **{"quality": 80, **options})
    else:
        if format == "AVIF":
            options = {"speed": 9, **options}
        image.save(file, format, **options)
    return file.getvalue()


def turned(orientation: int) -> bytes:
    """Return EXIF that says nothing but an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    """Return a PNG of raw rows, each with its filter byte, and further chunks before them."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", head),
            *more,
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        ]
    )
