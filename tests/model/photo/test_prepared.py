"""Tests of ``model.photo.prepared``: orientation, read and applied once, in every format."""

import struct

import pytest
from PIL import Image, ImageOps

from model.photo import read
from tests.photos import LOSSY, ORIENTED, difference, drawn, encoded, png_chunk, turned


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ORIENTED)
def test_photos_are_turned_upright_once(format: str, orientation: int) -> None:
    picture = drawn(96, 64)
    data = encoded(picture, format, exif=turned(orientation))
    exif = Image.Exif()
    exif[0x0112] = orientation
    fresh = drawn(96, 64)
    fresh.info["exif"] = exif.tobytes()
    upright = ImageOps.exif_transpose(fresh)
    photo = read(data)
    assert photo.size == photo.image.size == upright.size
    assert difference(photo.image, upright) <= LOSSY[format] + 6


def exif_segment(body: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", 8 + len(body)) + b"Exif\0\0" + body


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"MM",
        b"MM\0*",
        b"MM\0*\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x63\0\0",
        b"MM\0*\0\0\0\x08\0\1\1\x12\0\2\0\0\0\1\0\6\0\0",
        b"MM\0*\0\0\0\x08\0\2\1\x12",
        b"XX\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0",
        bytes(64),
    ],
)
def test_malformed_exif_leaves_the_photo_unturned(exif: bytes) -> None:
    picture = drawn(96, 64)
    plain = encoded(picture, "JPEG")
    assert read(plain[:2] + exif_segment(exif) + plain[2:]).size == (96, 64)
    image = encoded(picture, "PNG")
    assert read(image[:33] + png_chunk(b"eXIf", exif) + image[33:]).size == (96, 64)
    # Pillow's AVIF encoder refuses such EXIF, so it takes the place of a good one.
    named = Image.Exif()
    named[0x010E] = "a picture"
    good = named.tobytes().removeprefix(b"Exif\0\0")
    bad = exif.ljust(len(good), b"\0")[: len(good)]
    for form in ("WEBP", "HEIF", "AVIF"):
        data = encoded(picture, form, exif=b"Exif\0\0" + good)
        assert good in data
        assert read(data.replace(good, bad)).size == (96, 64)


def test_exif_is_read_in_both_byte_orders() -> None:
    plain = encoded(drawn(96, 64), "JPEG")
    big = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0"
    little = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"
    for exif in (big, little):
        assert read(plain[:2] + exif_segment(exif) + plain[2:]).size == (64, 96)
