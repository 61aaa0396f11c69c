"""Fuzz tests of ``model.photo.read``: any bytes give a photo or an error, within two seconds."""

import random

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from PIL import Image

from model.photo import FORMATS, Photo
from tests.model.photo.hostile import read_or_error
from tests.photos import drawn, encoded, png_chunk, turned

MAGIC = (
    b"",
    b"\xff\xd8\xff",
    b"\xff\xd8\xff\xe1\x00\x20Exif\0\0MM\0*\0\0\0\x08",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\xff\0\0\0WEBPVP8X",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    b"GIF89a\x20\0\x20\0\xf0\0\0",
    b"BM\0\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
)


@given(st.sampled_from(MAGIC), st.binary(max_size=4096))
@effort(max_examples=250, deadline=None)
def test_any_bytes_after_a_signature_give_a_photo_or_an_error(magic: bytes, data: bytes) -> None:
    read_or_error(magic + data)


def seed_files() -> dict[str, bytes]:
    """Return small files with everything in them that has structure."""
    picture = drawn(97, 65)
    clear = picture.copy()
    clear.putalpha(picture.convert("L"))
    frames = {"save_all": True, "append_images": [drawn(97, 65, 1)]}
    exif = {"exif": turned(6)}
    return {
        "jpeg": encoded(picture, "JPEG", **exif),
        "jpeg-progressive": encoded(picture, "JPEG", progressive=True),
        "jpeg-cmyk": encoded(picture.convert("CMYK"), "JPEG"),
        "mpo": encoded(picture, "MPO", **frames),
        "png": encoded(picture, "PNG", **exif),
        "png-palette": encoded(picture.quantize(16), "PNG", transparency=3),
        "apng": encoded(clear, "PNG", save_all=True, append_images=[clear.rotate(90)]),
        "webp": encoded(picture, "WEBP", **exif),
        "webp-lossless": encoded(clear, "WEBP", lossless=True),
        "webp-animated": encoded(picture, "WEBP", **frames),
        "heif": encoded(picture, "HEIF", **exif),
        "heif-alpha": encoded(clear, "HEIF"),
        "avif": encoded(picture, "AVIF", **exif),
        "avif-animated": encoded(picture, "AVIF", **frames),
        "gif": encoded(picture, "GIF"),
        "gif-animated": encoded(clear, "GIF", **frames),
        "bmp": encoded(picture, "BMP"),
        "bmp-palette": encoded(picture.quantize(16), "BMP"),
        "tiff": encoded(picture, "TIFF", **exif),
        "tiff-lzw": encoded(clear, "TIFF", compression="tiff_lzw"),
        "tiff-deflate": encoded(picture.quantize(16), "TIFF", compression="tiff_adobe_deflate"),
        "tiff-packbits": encoded(picture.convert("CMYK"), "TIFF", compression="packbits"),
        "tiff-16-bit": encoded(Image.new("I;16B", (97, 65), 999), "TIFF"),
        "tiff-multipage": encoded(
            picture.convert("1"), "TIFF", save_all=True, append_images=[drawn(97, 65, 1)]
        ),
    }


def mutated(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return a file with one kind of damage, or several."""
    body = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        kind = chance.randrange(7)
        at = chance.randrange(len(body))
        head = chance.randrange(min(len(body), 400))
        if kind == 0:
            body[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            body[head] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind == 2:
            del body[max(at, 1) :]
        elif kind == 3:
            body[at:at] = other[chance.randrange(len(other)) :][: chance.randrange(1, 400)]
        elif kind == 4:
            del body[at : min(at + chance.randrange(1, 200), len(body) - 1)]
        elif kind == 5:
            size = chance.choice((2, 4))
            value = chance.choice((0, 1, 2, 255, 2**15, 2**31 - 1, 2**32 - 1)) % 256**size
            body[head : head + size] = value.to_bytes(size, chance.choice(("big", "little")))
        else:
            body[head:head] = body[head : head + chance.randrange(1, 64)]
    return with_checksums(bytes(body)) if chance.random() < 0.5 else bytes(body)


def with_checksums(data: bytes) -> bytes:
    """Return a PNG whose checksums are right again, so that damage reaches the decoder."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    out = [data[:8]]
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        out.append(png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(out)


FILES = seed_files()
SEEDS_BY_FORMAT = {name.lower() for name in FORMATS}
"""The names of the plainest file of each format, which are mutated most often."""


@pytest.mark.parametrize("name", FILES)
def test_every_seed_file_is_read(name: str) -> None:
    assert isinstance(read_or_error(FILES[name]), Photo)


@pytest.mark.parametrize("name", FILES)
def test_mutated_files_give_a_photo_or_an_error(name: str) -> None:
    chance = random.Random(f"photo {name}")
    others = list(FILES.values())
    for _ in range(500 if name in SEEDS_BY_FORMAT else 120):
        read_or_error(mutated(FILES[name], chance.choice(others), chance))


@pytest.mark.parametrize("name", FILES)
def test_truncated_files_give_a_photo_or_an_error(name: str) -> None:
    data = FILES[name]
    for length in range(1, len(data), max(1, len(data) // 60)):
        read_or_error(data[:length])
