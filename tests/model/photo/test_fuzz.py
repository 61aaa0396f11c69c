"""Whatever the bytes: a photo or a refusal, within two seconds and within its memory."""

import random
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from PIL import Image

from model.errors import DamagedPhoto, PhotoError, TooManyPixels
from model.photo import FORMATS, Photo, read
from model.photo.formats import prepare
from tests.photos import drawn, encoded, png, png_chunk, turned

LIMIT = 2.0
MAGIC = (
    b"\xff\xd8\xff",
    b"\xff\xd8\xff\xe1\x00\x20Exif\0\0MM\0*\0\0\0\x08",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\xff\0\0\0WEBPVP8X",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    b"GIF89a",
    b"II*\0",
)


def answer(data: bytes) -> Photo | PhotoError:
    """What reading gives; anything else than a photo or a refusal is raised."""
    start = time.perf_counter()
    result: Photo | PhotoError
    try:
        result = read(data, memory_mb=1024)
    except PhotoError as error:
        result = error
    assert time.perf_counter() - start < LIMIT
    if isinstance(result, Photo):
        assert result.image.mode == "RGB"
        assert not result.image.info
    else:
        assert str(result)
    return result


@given(st.binary(max_size=4096))
@effort(max_examples=150, deadline=None)
def test_any_bytes(data: bytes) -> None:
    answer(data)


@given(st.sampled_from(MAGIC), st.binary(max_size=4096))
@effort(max_examples=250, deadline=None)
def test_any_bytes_behind_a_known_beginning(magic: bytes, data: bytes) -> None:
    answer(magic + data)


def samples() -> dict[str, bytes]:
    """Small files with everything in them that has structure."""
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
    }


def mutated(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A file with one kind of damage, or several."""
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
    """A PNG whose checksums are right again, so that damage reaches the decoder."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    out = [data[:8]]
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        out.append(png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(out)


FILES = samples()


@pytest.mark.parametrize("name", FILES)
def test_every_sample_is_read(name: str) -> None:
    assert isinstance(answer(FILES[name]), Photo)


@pytest.mark.parametrize("name", FILES)
def test_mutated_files(name: str) -> None:
    chance = random.Random(f"photo {name}")
    others = list(FILES.values())
    for _ in range(500 if name in ("jpeg", "png", "webp", "heif", "avif") else 120):
        answer(mutated(FILES[name], chance.choice(others), chance))


@pytest.mark.parametrize("name", FILES)
def test_every_length(name: str) -> None:
    data = FILES[name]
    for length in range(1, len(data), max(1, len(data) // 60)):
        answer(data[:length])


# Bombs: small files that would become large, or busy


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


def too_many_pixels() -> dict[str, bytes]:
    rows = zlib.compress(bytes(20_000_000), 9)
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    avif = encoded(flat(640, 480), "AVIF")
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
        "avif": lying(avif, (640, 480), (16_000, 16_000)),
    }


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


@pytest.mark.parametrize("name", too_many_pixels())
def test_bombs_of_pixels_are_refused_by_their_header(name: str) -> None:
    assert isinstance(answer(too_many_pixels()[name]), TooManyPixels)


@pytest.mark.parametrize("name", damaged_bombs())
def test_files_that_lie_about_their_size_are_refused(name: str) -> None:
    start = time.perf_counter()
    assert isinstance(answer(damaged_bombs()[name]), PhotoError), name
    assert time.perf_counter() - start < LIMIT


def test_a_grid_is_read() -> None:
    """The bombs above are refused for what they are, not because grids are unknown."""
    tile = encoded(flat(640, 480), "HEIF", quality=10)
    photo = answer(grid(tile, (640, 480), 2, 3, (1900, 950)))
    assert isinstance(photo, Photo)
    assert photo.size == (1900, 950)


def test_bombs_take_no_memory(tmp_path: Path) -> None:
    for index, data in enumerate([*too_many_pixels().values(), *damaged_bombs().values()]):
        (tmp_path / str(index)).write_bytes(data)
    code = """
import resource, sys
from pathlib import Path
from model.errors import PhotoError
from model.photo import read
from tests.photos import FORMATS, drawn, encoded
for name in FORMATS:
    read(encoded(drawn(64, 64), name), memory_mb=4096)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
for file in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read(file.read_bytes(), memory_mb=4096)
        print(file.name, "was read")
    except PhotoError:
        pass
grown = peak() - before
print(f"{grown:.0f} MB" if grown > 40 else "fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
        check=True,
    )
    assert done.stdout.strip() == "fine", done.stderr


def scans(count: int) -> bytes:
    """A progressive JPEG with its last pass repeated."""
    data = encoded(flat(4000, 3000), "JPEG", progressive=True)
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * count + b"\xff\xd9"


@pytest.mark.parametrize("count", [95, 400])
def test_a_jpeg_of_countless_passes_is_refused(count: int) -> None:
    assert isinstance(answer(scans(count)), TooManyPixels)


def test_large_headers_are_not_walked_for_long() -> None:
    picture = encoded(drawn(64, 64), "JPEG")
    assert isinstance(answer(b"\xff\xd8" + b"\xff\xfe\0\2" * 4_000_000 + picture[2:]), DamagedPhoto)
    assert isinstance(answer(b"\xff\xd8" + b"\xff" * 19_000_000 + picture[2:]), Photo | PhotoError)
    assert isinstance(answer(b"\xff\xd8" + bytes(19_000_000) + picture[2:]), Photo | PhotoError)
    tables = picture[picture.find(b"\xff\xdb") :][:69]
    assert isinstance(answer(b"\xff\xd8" + tables * 200_000 + picture[2:]), DamagedPhoto)
    chunk = png_chunk(b"teXt", b"")
    assert isinstance(answer(encoded(drawn(8, 8), "PNG")[:33] + chunk * 1_500_000), DamagedPhoto)
    chunks = b"JUNK\0\0\0\0" * 2_000_000
    webp = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
    assert isinstance(answer(webp), DamagedPhoto)
    boxes = encoded(drawn(64, 64), "HEIF") + box(b"free") * 2_000_000
    assert isinstance(answer(boxes), DamagedPhoto)


def test_text_and_profiles_that_unfold_are_left_folded() -> None:
    unfold = zlib.compress(bytes(500_000_000 // 50), 9)
    rows = b"\0\x10\x20\x30"
    more = [png_chunk(b"zTXt", b"k\0\0" + unfold)] * 50
    more += [png_chunk(b"iCCP", b"k\0\0" + unfold), png_chunk(b"iTXt", b"k\0\1\0\0\0" + unfold)]
    assert isinstance(answer(png(1, 1, 8, 2, rows, *more)), Photo)


def test_a_strange_type_of_metadata_reaches_no_decoder() -> None:
    """pi_heif ends the whole process where a described item's type is no text."""
    data = encoded(drawn(64, 48), "HEIF", exif=turned(1))
    assert b"cdsc" in data
    prepared = prepare(data).data
    assert b"cdsc" not in prepared
    assert b"Exif" not in prepared[: prepared.find(b"mdat")]
    for strange in (b"Exi\xff", b"\xc5xif", b"\xff\xff\xff\xff"):
        assert isinstance(answer(data.replace(b"Exif", strange, 1)), DamagedPhoto)
    assert isinstance(answer(data.replace(b"Exif", b"Exig", 1)), Photo)


def test_exif_that_points_to_itself_is_passed_over() -> None:
    loop = b"MM\0*\0\0\0\x08\xff\xff" + (b"\x87\x69\0\4\0\0\0\1\0\0\0\x08" * 5000)
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(loop)) + b"Exif\0\0" + loop
    picture = encoded(drawn(64, 64), "JPEG")
    assert isinstance(answer(picture[:2] + segment * 300 + picture[2:]), Photo)
    assert set(FORMATS) == {"JPEG", "PNG", "WEBP", "HEIF", "AVIF"}
