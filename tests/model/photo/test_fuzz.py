"""Fuzz tests of ``model.photo.read``: any bytes give a photo or an error, within two seconds."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from model.photo import FORMATS, Photo
from tests.damage import damaged
from tests.model.photo.conftest import read_or_error
from tests.photos import drawn, encoded, png_chunk, turned


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
OF_FORMAT = {
    name: [data for key, data in FILES.items() if key.split("-")[0] == name]
    for name in ("mpo", "apng", *map(str.lower, FORMATS))
}
"""Files by format, whose parts are mixed with one another."""
assert sum(map(len, OF_FORMAT.values())) == len(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_seed_file_is_read(name: str) -> None:
    assert isinstance(read_or_error(FILES[name]), Photo)


@pytest.mark.parametrize("name", OF_FORMAT)
@given(st.data())
@hypothesis_settings(max_examples=250)
def test_damaged_file_gives_a_photo_or_an_error(name: str, data: st.DataObject) -> None:
    file = data.draw(damaged(OF_FORMAT[name]))
    read_or_error(with_checksums(file) if data.draw(st.booleans()) else file)


@given(st.sampled_from(list(FILES.values())), st.integers(2, 40), st.binary(max_size=4096))
@hypothesis_settings(max_examples=250)
def test_any_bytes_after_a_signature_give_a_photo_or_an_error(
    file: bytes, length: int, data: bytes
) -> None:
    read_or_error(file[:length] + data)
