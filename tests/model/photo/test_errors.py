"""Tests of the errors of ``model.photo.read``: what is rejected, and in which words."""

import struct
import warnings
from unittest.mock import Mock

import pytest
from PIL import Image, ImageFile

from model import photo as module
from model.errors import DamagedPhoto, EmptyPhoto, PhotoError, PhotoTooLarge, UnsupportedFormat
from model.photo import FORMATS, read
from tests.photos import drawn, encoded, opened_by_pillow

MB = 2**20


@pytest.mark.parametrize("format", FORMATS)
def test_incomplete_files_are_rejected_wherever_they_are_cut(format: str) -> None:
    data = encoded(drawn(200, 150), format)
    # A JPEG or a GIF is complete without its end marker.
    last = len(data) - {"JPEG": 2, "GIF": 1}.get(format, 0)
    for length in range(33):
        with pytest.raises(PhotoError):
            read(data[:length])
    for length in {*range(33, 300), *range(300, last, last // 60), *range(last - 20, last)}:
        with pytest.raises(DamagedPhoto, match="incomplete"):
            read(data[:length])


@pytest.mark.parametrize("resize", [30, 60, 256])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}]
)
def test_incomplete_jpegs_are_never_filled_with_grey(resize: int, options: dict) -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    data = encoded(drawn(640, 480), "JPEG", **options)
    for cut in (len(data) // 10, len(data) // 2, len(data) * 9 // 10, len(data) - 100):
        # With an end marker, libjpeg itself fills the rest with grey and says nothing.
        for end in (b"",) if "progressive" in options else (b"", b"\xff\xd9"):
            with pytest.raises(DamagedPhoto, match="incomplete"):
                read(data[:cut] + end, resize=resize)


def test_progressive_jpeg_without_all_scans_is_rejected() -> None:
    data = encoded(drawn(640, 480), "JPEG", progressive=True, quality=30)
    passes = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    for at in passes[1:]:
        blurred = data[:at] + b"\xff\xd9"
        opened_by_pillow(blurred)
        with pytest.raises(DamagedPhoto, match="incomplete"):
            read(blurred)


def test_flipped_bit_in_png_is_rejected() -> None:
    data = bytearray(encoded(drawn(64, 48), "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(DamagedPhoto):
        read(bytes(data))


OTHERS = {
    "ico": encoded(drawn(16, 16), "ICO"),
    "jpeg 2000": encoded(drawn(8, 8), "JPEG2000"),
    "pdf": encoded(drawn(8, 8), "PDF"),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "html": b"<!doctype html><script>alert(1)</script>",
    "text": b"hello",
    "zip": b"PK\3\4" + bytes(40),
    "pickle": b"\x80\x04N.",
    "film": b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + bytes(40),
    "wave": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
    "one byte": b"\xff",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_file_types_are_unsupported(name: str) -> None:
    with pytest.raises(
        UnsupportedFormat, match="JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF photo"
    ):
        read(OTHERS[name])


def test_rare_jpeg_encodings_are_unsupported() -> None:
    data = encoded(drawn(64, 48), "JPEG")
    for marker in (b"\xff\xc3", b"\xff\xc9", b"\xff\xca"):
        with pytest.raises(UnsupportedFormat, match="JPEG uses a rare encoding"):
            read(data.replace(b"\xff\xc0", marker, 1))


def test_empty_and_too_large_files_are_rejected() -> None:
    with pytest.raises(EmptyPhoto):
        read(b"")
    data = encoded(drawn(64, 48), "JPEG")
    assert read(data + bytes(20 * MB - len(data))).size == (64, 48)
    with pytest.raises(PhotoTooLarge, match="20 MB"):
        read(data + bytes(20 * MB - len(data) + 1))


def test_every_error_says_what_to_do() -> None:
    for data in (b"", b"text", b"\xff\xd8", bytes(21 * MB)):
        with pytest.raises(PhotoError, match=r"(Send|Try|Choose)") as refusal:
            read(data)
        assert refusal.value.code != "photo"
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


DECODER_ERRORS = (
    *(MemoryError, RecursionError, struct.error, SyntaxError, KeyError, UserWarning),
    *(Image.DecompressionBombError, AssertionError, SystemError),
)


@pytest.mark.parametrize("error", DECODER_ERRORS)
def test_any_decoder_exception_becomes_a_photo_error(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_load", Mock(side_effect=error("x")))
    with pytest.raises(PhotoError):
        read(encoded(drawn(8, 8), "JPEG"))


def test_malformed_multi_picture_index_raises_no_warning() -> None:
    data = encoded(drawn(320, 200), "MPO", save_all=True, append_images=[drawn(160, 100, 1)])
    broken = data.replace(b"MPF\0MM\0*", b"MPF\0XX\0*").replace(b"MPF\0II*\0", b"MPF\0XX*\0")
    assert broken != data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(broken).size == (320, 200)


def test_damaged_tiff_writes_nothing_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """Clients could fill the log with what libtiff writes by itself."""
    for compression in ("tiff_deflate", "tiff_lzw", "packbits"):
        data = bytearray(encoded(drawn(64, 64), "TIFF", compression=compression))
        data[8:24] = b"\xff" * 16
        with pytest.raises(PhotoError):
            read(bytes(data))
    assert capfd.readouterr().err == ""
