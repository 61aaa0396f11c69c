"""Tests of how GIF, BMP and TIFF files are read: encodings, rare ones, contradictions."""

import struct

import numpy as np
import pytest
from PIL import Image

from model.errors import DamagedPhoto, TooManyPixels, UnsupportedFormat
from model.photo import Photo, read
from tests.model.photo.conftest import read_or_error
from tests.photos import drawn, encoded, opened_by_pillow

PICTURE = drawn(97, 65)
CLEAR = PICTURE.copy()
CLEAR.putalpha(PICTURE.convert("L"))
DEEP = Image.fromarray(np.asarray(PICTURE.convert("L")).astype(np.uint16) * 257)
MODES = {
    "1": PICTURE.convert("1"),
    "L": PICTURE.convert("L"),
    "LA": CLEAR.convert("LA"),
    "P": PICTURE.quantize(16),
    "RGB": PICTURE,
    "RGBA": CLEAR,
    "CMYK": PICTURE.convert("CMYK"),
}

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIP_OFFSETS, STRIP_ROWS, STRIP_BYTES = (
    *(256, 257, 258, 259, 262, 273, 278, 279),
)


def tiff(tags: dict[int, tuple[str, tuple[int, ...]]], body: bytes, order: str = "<") -> bytes:
    """Return a TIFF of these tags, each with its type and values, behind ``body`` at byte 8."""
    ifd = 8 + len(body)
    at = ifd + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, (kind, numbers) in tags.items():
        packed = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        code = {"B": 1, "H": 3, "I": 4, "Q": 16}[kind]
        entries += struct.pack(order + "2HI", tag, code, len(numbers))
        if len(packed) > 4:
            entries += struct.pack(order + "I", at + len(values))
            values += packed
        else:
            entries += packed.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(order + "I", ifd)
    return head + body + struct.pack(order + "H", len(tags)) + entries + bytes(4) + values


def grey_tags(width: int = 4, height: int = 3) -> dict:
    """Return the tags of an uncompressed grey picture in one strip at byte 8."""
    return {
        WIDTH: ("H", (width,)),
        HEIGHT: ("H", (height,)),
        BITS: ("H", (8,)),
        COMPRESSION: ("H", (1,)),
        PHOTOMETRIC: ("H", (1,)),
        STRIP_OFFSETS: ("I", (8,)),
        STRIP_ROWS: ("I", (height,)),
        STRIP_BYTES: ("I", (width * height,)),
    }


OPTIONS: dict[str, list[dict[str, object]]] = {
    "TIFF": [
        {"compression": name} for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")
    ],
    "BMP": [{}],
    "GIF": [{"interlace": number, "comment": b"secret" * 100} for number in (0, 1)],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("format", OPTIONS)
def test_pixels_equal_pillows(format: str, mode: str) -> None:
    if format != "TIFF" and mode in ("LA", "CMYK"):
        pytest.skip("Pillow doesn't write it")
    for options in OPTIONS[format]:
        data = encoded(MODES[mode], format, **options)
        trailing = b"more" if format == "BMP" else b""
        assert read(data + trailing).image.tobytes() == opened_by_pillow(data).tobytes()


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_tiff_in_one_strip_equals_many_and_16_bits_keep_the_upper_ones(compression: str) -> None:
    for strip_size in (97 * 3, 97 * 3 * 10, 10**6):
        data = encoded(PICTURE, "TIFF", compression=compression, strip_size=strip_size)
        assert read(data).image.tobytes() == PICTURE.tobytes()
    expected = MODES["L"].convert("RGB").tobytes()
    assert read(encoded(DEEP, "TIFF", compression=compression)).image.tobytes() == expected


def test_big_endian_tiff_is_read() -> None:
    body = bytes(range(12))
    for order in "<>":
        image = read(tiff(grey_tags(), body, order)).image
        assert image.convert("L").tobytes() == body
    deep = {**grey_tags(2, 1), BITS: ("H", (16,)), STRIP_BYTES: ("I", (4,))}
    image = read(tiff(deep, struct.pack(">2H", 0x1234, 0xABCD), ">")).image
    assert image.convert("L").tobytes() == b"\x12\xab"


def test_16_bit_colour_tiff_keeps_the_upper_bits() -> None:
    body = struct.pack(">3H", 0x1234, 0x5678, 0x9ABC)
    tags = {**grey_tags(1, 1), BITS: ("H", (16,) * 3), PHOTOMETRIC: ("H", (2,))}
    tags |= {277: ("H", (3,)), STRIP_BYTES: ("I", (6,))}
    assert read(tiff(dict(sorted(tags.items())), body, ">")).image.tobytes() == b"\x12\x56\x9a"


def rare_tiffs() -> dict[str, bytes]:
    """Return TIFFs that other programs may write and Loupe doesn't read."""
    plain = grey_tags()
    return {
        "jpeg": encoded(PICTURE, "TIFF", compression="jpeg"),
        "fax": encoded(PICTURE.convert("1"), "TIFF", compression="group4"),
        "ycbcr": encoded(PICTURE.convert("YCbCr"), "TIFF"),
        "lab": encoded(Image.new("LAB", (9, 9)), "TIFF"),
        "float": encoded(PICTURE.convert("F"), "TIFF"),
        "signed": encoded(PICTURE.convert("I"), "TIFF"),
        "tiled": tiff({**plain, 322: ("H", (16,)), 323: ("H", (16,))}, bytes(256)),
        "bits reversed": tiff({**plain, 266: ("H", (2,))}, bytes(12)),
        "separate planes": tiff({**plain, 277: ("H", (3,)), 284: ("H", (2,))}, bytes(36)),
        "inverted 16 bits": tiff({**plain, BITS: ("H", (16,)), 262: ("H", (0,))}, bytes(24)),
        "3 bits": tiff({**plain, BITS: ("H", (3,))}, bytes(24)),
        "BigTIFF": b"II+\0\x08\0\0\0\x10" + bytes(100),
        "thumbnail of a raw file": tiff({254: ("I", (1,)), **plain}, bytes(12)),
    }


@pytest.mark.parametrize("name", rare_tiffs())
def test_rare_tiff_encodings_are_unsupported(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match=r"rare encoding.*standard JPEG or a PNG"):
        read(rare_tiffs()[name])


def contradictory_tiffs() -> dict[str, bytes]:
    """Return TIFFs that no program writes."""
    plain = grey_tags()
    lzw = {**plain, COMPRESSION: ("H", (5,))}
    rows = {STRIP_ROWS: ("I", (1,))}
    return {
        "no tags": tiff({}, bytes(12)),
        "no size": tiff({key: plain[key] for key in plain if key != WIDTH}, bytes(12)),
        "no height": tiff({**plain, HEIGHT: ("H", (0,))}, bytes(12)),
        "no rows in a strip": tiff({**plain, STRIP_ROWS: ("I", (0,))}, bytes(12)),
        "strip beyond the end": tiff({**plain, STRIP_OFFSETS: ("I", (2**32 - 1,))}, bytes(12)),
        "strips missing": tiff({**plain, **rows}, bytes(12)),
        "strips over each other": tiff(
            {**lzw, **rows, STRIP_OFFSETS: ("I", (8,) * 3), STRIP_BYTES: ("I", (200,) * 3)},
            bytes(250),
        ),
        "lengths missing": tiff({k: v for k, v in lzw.items() if k != STRIP_BYTES}, bytes(12)),
        "two widths": tiff({**plain, WIDTH: ("H", (4, 4))}, bytes(12)),
        "64-bit values": tiff({**plain, STRIP_OFFSETS: ("Q", (8,))}, bytes(12)),
        "palette too short": tiff({**plain, PHOTOMETRIC: ("H", (3,)), 320: ("H", (0,) * 9)}, b"a"),
        "values without end": tiff(plain, bytes(12)).replace(
            struct.pack("<2HI", BITS, 3, 1), struct.pack("<2HI", BITS, 3, 2**32 - 1)
        ),
        "tag twice": tiff({WIDTH: ("H", (4,)), **plain}, bytes(12)).replace(
            struct.pack("<2H", HEIGHT, 3), struct.pack("<2H", WIDTH, 3)
        ),
        "tags without end": b"II*\0\x08\0\0\0\xff\xff" + bytes(12 * 65_535),
        "tags at the end": b"II*\0\xff\xff\xff\xff" + bytes(100),
    }


@pytest.mark.parametrize("name", contradictory_tiffs())
def test_contradictory_tiffs_are_rejected(name: str) -> None:
    assert isinstance(read_or_error(contradictory_tiffs()[name]), DamagedPhoto)


def test_tiff_with_a_strip_per_row_is_read_in_time() -> None:
    tall = grey_tags(1, 50_000)
    offsets = tuple(range(8, 50_008))
    tall |= {STRIP_ROWS: ("I", (1,)), STRIP_OFFSETS: ("I", offsets)}
    tall |= {STRIP_BYTES: ("I", (1,) * 50_000)}
    assert isinstance(read_or_error(tiff(tall, bytes(50_000))), Photo)
    packed = {**tall, COMPRESSION: ("H", (32_773,)), STRIP_BYTES: ("I", (2,) * 50_000)}
    packed |= {STRIP_OFFSETS: ("I", tuple(range(8, 100_008, 2)))}
    assert isinstance(read_or_error(tiff(packed, bytes(100_000))), Photo)
    tall |= {HEIGHT: ("I", (50_001,))}
    assert isinstance(read_or_error(tiff(tall, bytes(50_001))), DamagedPhoto)


def test_tiff_strips_in_any_order_are_read() -> None:
    tags = grey_tags(2, 3) | {STRIP_ROWS: ("I", (1,)), STRIP_BYTES: ("I", (2,) * 3)}
    for offsets, expected in (((8, 10, 12), b"abcdef"), ((12, 8, 10), b"efabcd")):
        data = tiff({**tags, STRIP_OFFSETS: ("I", offsets)}, b"abcdef")
        assert read(data).image.convert("L").tobytes() == expected


def bmp(width: int, height: int, depth: int, compression: int, rows: bytes) -> bytes:
    """Return a BMP with a header of 40 bytes."""
    fields = struct.pack("<I2i2H6I", 40, width, height, 1, depth, compression, *(0,) * 5)
    return b"BM" + struct.pack("<3I", 54 + len(rows), 0, 54) + fields + rows


def test_bmp_from_top_to_bottom_is_read() -> None:
    rows = b"\1\2\3\0" + b"\4\5\6\0"
    assert read(bmp(1, 2, 24, 0, rows)).image.tobytes() == b"\6\5\4\3\2\1"
    assert read(bmp(1, -2, 24, 0, rows)).image.tobytes() == b"\3\2\1\6\5\4"


# The last has other colour masks than those of 5 or 8 bits each.
@pytest.mark.parametrize(
    ("depth", "compression"), [(8, 1), (4, 2), (24, 4), (24, 5), (48, 0), (32, 3)]
)
def test_rare_bmp_encodings_are_unsupported(depth: int, compression: int) -> None:
    rows = struct.pack("<3I", 1, 2, 4) + bytes(200)
    with pytest.raises(UnsupportedFormat, match="rare encoding"):
        read(bmp(4, 4, depth, compression, rows))


def moved_frame(left: int, top: int, width: int = 97, height: int = 65) -> bytes:
    """Return a GIF whose frame lies elsewhere on the canvas than the file was written for."""
    data = encoded(PICTURE.quantize(16), "GIF")
    descriptor = struct.pack("<B4H", 0x2C, 0, 0, 97, 65)
    assert data.count(descriptor) == 1
    return data.replace(descriptor, struct.pack("<B4H", 0x2C, left, top, width, height))


def test_gif_frame_beyond_the_canvas_enlarges_it() -> None:
    photo = read_or_error(moved_frame(3, 5))
    assert isinstance(photo, Photo)
    assert photo.size == (100, 70)


LARGE_TIFF = {
    **grey_tags(50_000, 50_000),
    COMPRESSION: ("H", (5,)),
    STRIP_BYTES: ("I", (12,)),
}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (bmp(60_000, 60_000, 24, 0, bytes(100)), DamagedPhoto),
        (bmp(60_000, -60_000, 1, 0, bytes(100)), DamagedPhoto),
        (bmp(0, 4, 24, 0, bytes(100)), DamagedPhoto),
        (bmp(-4, 4, 24, 0, bytes(100)), DamagedPhoto),
        (bmp(4, -(2**31), 24, 0, bytes(100)), DamagedPhoto),
        (bmp(10_000, 10_000, 1, 0, bytes(13_000_000)), TooManyPixels),
        (moved_frame(65_000, 65_000), TooManyPixels),
        (tiff(LARGE_TIFF, bytes(12)), TooManyPixels),
        (moved_frame(0, 0, 65_535, 65_535), TooManyPixels),
        (moved_frame(0, 0, 0, 0), DamagedPhoto),
        (moved_frame(0, 0, 97, 650), DamagedPhoto),
        (b"GIF89a" + b"\xff" * 4 + bytes(3) + moved_frame(0, 0)[13:], DamagedPhoto),
        (b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\1a\0" * 4_000_000, DamagedPhoto),
        (b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1a" * 9_000_000, DamagedPhoto),
        (b"GIF89a\1\0\1\0\0\0\0" + bytes(19_000_000), DamagedPhoto),
        (b"GIF89a\1\0\1\0\0\0\0;", DamagedPhoto),
    ],
)
def test_file_that_lies_about_its_size_is_rejected(data: bytes, error: type) -> None:
    assert isinstance(read_or_error(data), error)
