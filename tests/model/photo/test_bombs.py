"""Tests of ``model.photo.read`` with bombs: small files that would become large, or slow."""

import struct
import zlib
from functools import cache
from types import UnionType

import pytest
from PIL import Image

from model.errors import DamagedPhoto, PhotoError, TooManyPixels
from model.photo import Photo
from model.photo.formats import prepare
from tests.memory import assert_peak_below
from tests.model.photo.conftest import read_or_error
from tests.photos import drawn, encoded, png, png_chunk, turned


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def part(data: bytes, name: bytes) -> bytes:
    at = data.find(name) - 4
    return data[at : at + int.from_bytes(data[at : at + 4], "big")]


def grid(tile: bytes, size: tuple[int, int], rows: int, columns: int, of: tuple[int, int]) -> bytes:
    """A HEIC of ``of`` pixels, put together from items that all share one tile's bytes."""
    count = rows * columns
    last = count + 1
    coded = part(tile, b"mdat")[8:]
    plan = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *of)
    zero = bytes(4)

    def meta(offset: int) -> bytes:
        kinds = [
            box(b"infe", b"\2\0\0\1", struct.pack(">HH4sB", n, 0, b"hvc1", 0))
            for n in range(1, last)
        ]
        kinds.append(box(b"infe", b"\2\0\0\0", struct.pack(">HH4sB", last, 0, b"grid", 0)))
        places = [struct.pack(">HHHII", n, 0, 1, offset, len(coded)) for n in range(1, last)]
        places.append(struct.pack(">HHHII", last, 0, 1, offset + len(coded), len(plan)))
        shapes = [box(b"ispe", zero, struct.pack(">II", *shape)) for shape in (size, of)]
        uses = [struct.pack(">HB2s", n, 2, b"\x81\2") for n in range(1, last)]
        uses.append(struct.pack(">HB1s", last, 1, b"\3"))
        tiles = [struct.pack(">H", n) for n in range(1, last)]
        return box(
            b"meta",
            zero,
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", zero, struct.pack(">H", last)),
            box(b"iinf", zero, struct.pack(">H", last), *kinds),
            box(b"iref", zero, box(b"dimg", struct.pack(">HH", last, count), *tiles)),
            box(
                b"iprp",
                box(b"ipco", part(tile, b"hvcC"), *shapes),
                box(b"ipma", zero, struct.pack(">I", last), *uses),
            ),
            box(b"iloc", zero, struct.pack(">BBH", 0x44, 0, last), *places),
        )

    ftyp = box(b"ftyp", b"heic", zero, b"mif1heic")
    offset = len(ftyp) + len(meta(0)) + 8
    padding = box(b"free", bytes(count * len(coded)))
    return ftyp + meta(offset) + box(b"mdat", coded, plan) + padding


def lying(data: bytes, true: tuple[int, int], claimed: tuple[int, int]) -> bytes:
    """A HEIC or AVIF whose coded picture has another size than it says."""
    assert struct.pack(">II", *true) in data
    return data.replace(struct.pack(">II", *true), struct.pack(">II", *claimed))


def flat(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), (90, 120, 30))


def webp_bomb(kind: bytes) -> bytes:
    data = encoded(flat(64, 64), "WEBP", lossless=kind == b"VP8L")
    size = b"\xff\x3f" * 2 if kind == b"VP8 " else b"\xff\x3e\0\0"
    wide = {
        b"VP8 ": data[:26] + size + data[30:],
        b"VP8L": data[:21] + b"\xff\xff\xff\x0f" + data[25:],
        b"VP8X": data[:12] + b"VP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\0" * 2 + data[12:],
    }[kind]
    return wide[:4] + struct.pack("<I", len(wide) - 8) + wide[8:]


def jpeg_bomb(side: int, **options: object) -> bytes:
    data = encoded(flat(64, 64), "JPEG", **options)
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: at + 5] + struct.pack(">HH", side, side) + data[at + 9 :]


@cache
def too_many_pixels() -> dict[str, bytes]:
    rows = zlib.compress(bytes(20_000_000), 9)
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    avif = encoded(flat(640, 480), "AVIF")
    gif = encoded(flat(64, 64), "GIF")
    return {
        "jpeg": jpeg_bomb(65_500),
        "jpeg progressive": jpeg_bomb(65_500, progressive=True),
        "png": b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", rows)
        + png_chunk(b"IEND", b""),
        "webp lossy": webp_bomb(b"VP8 "),
        "webp lossless": webp_bomb(b"VP8L"),
        "webp canvas": webp_bomb(b"VP8X"),
        "gif": gif[:6] + b"\xff" * 4 + gif[10:],
        "avif": lying(avif, (640, 480), (16_000, 16_000)),
    }


@cache
def damaged_bombs() -> dict[str, bytes]:
    heif = encoded(flat(640, 480), "HEIF", quality=10)
    avif = encoded(flat(4000, 3000), "AVIF", speed=10, quality=10)
    return {
        "heif claims more than coded": lying(heif, (640, 480), (8000, 6000)),
        "heif claims less than coded": lying(heif, (640, 480), (64, 48)),
        "avif claims less than coded": lying(avif, (4000, 3000), (400, 300)),
        "heif tiles over each other": grid(heif, (640, 480), 31, 31, (1280, 960)),
        "heif tiles without end": grid(heif, (640, 480), 40, 40, (25_600, 19_200)),
    }


@pytest.mark.parametrize("name", [*too_many_pixels(), *damaged_bombs()])
def test_bomb_is_rejected_without_its_memory(name: str) -> None:
    read_or_error(encoded(drawn(64, 64), name.split(maxsplit=1)[0].upper()))
    data = too_many_pixels().get(name) or damaged_bombs()[name]
    with assert_peak_below(megabytes=40):
        found = read_or_error(data)
    assert isinstance(found, TooManyPixels if name in too_many_pixels() else PhotoError)


def test_heic_grid_is_read() -> None:
    """The bombs above are refused for what they are, not because grids are unknown."""
    tile = encoded(flat(640, 480), "HEIF", quality=10)
    photo = read_or_error(grid(tile, (640, 480), 2, 3, (1900, 950)))
    assert isinstance(photo, Photo)
    assert photo.size == (1900, 950)


def scans(count: int) -> bytes:
    """A progressive JPEG with its last pass repeated."""
    data = encoded(flat(4000, 3000), "JPEG", progressive=True)
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * count + b"\xff\xd9"


@pytest.mark.parametrize("count", [60, 400])
def test_jpeg_with_too_many_scans_is_rejected(count: int) -> None:
    assert isinstance(read_or_error(scans(count)), TooManyPixels)


def endless_headers() -> dict[str, tuple[bytes, type | UnionType]]:
    """Return files with as many headers as fit, and what reading them gives."""
    picture = encoded(drawn(64, 64), "JPEG")
    tables = picture[picture.find(b"\xff\xdb") :][:69]
    chunk, chunks = png_chunk(b"teXt", b""), b"JUNK\0\0\0\0" * 2_000_000
    heads = {"comments": b"\xff\xfe\0\2" * 4_000_000, "tables": tables * 200_000}
    fill = {"fill": b"\xff" * 19_000_000, "zeros": bytes(19_000_000)}
    return {
        **{name: (picture[:2] + more + picture[2:], DamagedPhoto) for name, more in heads.items()},
        **{
            name: (picture[:2] + more + picture[2:], Photo | PhotoError)
            for name, more in fill.items()
        },
        "png": (encoded(drawn(8, 8), "PNG")[:33] + chunk * 1_500_000, DamagedPhoto),
        "webp": (b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks, DamagedPhoto),
        "heif": (encoded(drawn(64, 64), "HEIF") + box(b"free") * 2_000_000, DamagedPhoto),
    }


@pytest.mark.parametrize("name", "comments tables fill zeros png webp heif".split())
def test_large_headers_are_walked_in_bounded_time(name: str) -> None:
    data, expected = endless_headers()[name]
    assert isinstance(read_or_error(data), expected)


def test_compressed_text_and_profiles_stay_compressed() -> None:
    unfold = zlib.compress(bytes(500_000_000 // 50), 9)
    rows = b"\0\x10\x20\x30"
    more = [png_chunk(b"zTXt", b"k\0\0" + unfold)] * 50
    more += [png_chunk(b"iCCP", b"k\0\0" + unfold), png_chunk(b"iTXt", b"k\0\1\0\0\0" + unfold)]
    assert isinstance(read_or_error(png(1, 1, 8, 2, rows, *more)), Photo)


def test_unknown_metadata_types_reach_no_decoder() -> None:
    """pi_heif ends the whole process where a described item's type is no text."""
    data = encoded(drawn(64, 48), "HEIF", exif=turned(1))
    assert b"cdsc" in data
    prepared = prepare(data).data
    assert b"cdsc" not in prepared
    assert b"Exif" not in prepared[: prepared.find(b"mdat")]
    for strange in (b"Exi\xff", b"\xc5xif", b"\xff\xff\xff\xff"):
        assert isinstance(read_or_error(data.replace(b"Exif", strange, 1)), DamagedPhoto)
    assert isinstance(read_or_error(data.replace(b"Exif", b"Exig", 1)), Photo)


def test_exif_that_points_to_itself_is_ignored() -> None:
    loop = b"MM\0*\0\0\0\x08\xff\xff" + (b"\x87\x69\0\4\0\0\0\1\0\0\0\x08" * 5000)
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(loop)) + b"Exif\0\0" + loop
    picture = encoded(drawn(64, 64), "JPEG")
    assert isinstance(read_or_error(picture[:2] + segment * 300 + picture[2:]), Photo)
