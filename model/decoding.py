"""What a photo's bytes say before anything is decoded.

Each reader walks the container itself, in bounded time, and hands on only the
parts that hold pixels. Text, colour profiles, thumbnails, second pictures and
animations never reach a decoder, so they cannot slow it down, fill the memory
or upset it. Orientation is the one piece of metadata that is read.
"""

import re
import struct
import zlib
from dataclasses import dataclass

from .errors import DamagedPhoto, TooManyPixels, UnsupportedFormat

__all__ = ["FORMATS", "Stripped", "cut_short", "damaged", "strip"]

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
"""The formats that are read, as a photo names them."""

MAX_PARTS = 50_000
"""Segments, chunks or boxes in one file; a photo of 20 MB has a few thousand."""

MAX_TABLES = 65_536
"""Bytes of tables in a JPEG header; four of each kind take 2 kB."""

MAX_SCANS = 100
"""Passes in one progressive JPEG; encoders write about ten."""

MAX_PIXEL_SCANS = 600_000_000
"""Pixels times passes: each pass visits every pixel again, however few bytes it holds."""

_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF = {b"avif", b"avis"}
_NEUTRAL = {b"mif1", b"msf1"}

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_METADATA_ITEM = re.compile(rb"(infe(?:\x02.{7}|\x03.{9}))(?:Exif|mime)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Stripped:
    """One picture without its surroundings.

    ``size`` is width and height in pixels before it is turned upright, None where
    only the decoder knows. ``orientation`` is EXIF's 1 to 8. ``kept`` is what the
    decoder holds beside the picture, in bytes per pixel. ``scalable`` says
    whether the decoder can decode to a smaller size at a smaller cost.
    """

    format: str
    data: bytes
    size: tuple[int, int] | None = None
    orientation: int = 1
    kept: float = 0.0
    scalable: bool = False


def damaged() -> DamagedPhoto:
    """The refusal of a file that is broken inside."""
    return DamagedPhoto("That file is damaged inside. Try sending it again, or another photo.")


def cut_short() -> DamagedPhoto:
    """The refusal of a file that ends too early."""
    return DamagedPhoto(
        "That file is cut short, so I can't see the whole photo. Try sending it again."
    )


def strip(data: bytes) -> Stripped:
    """The picture in a file's bytes, found by its first bytes and never by a name.

    Raises:
        UnsupportedFormat: not a JPEG, PNG, WebP, HEIC or AVIF file.
        DamagedPhoto: one of those, but cut short or broken.
        TooManyPixels: a progressive JPEG that would take too long.
    """
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    if data[4:8] == b"ftyp" and (form := _brand(data)):
        return _boxes(data, form)
    raise UnsupportedFormat(
        "I can't read that kind of file. Send a photo as JPEG, PNG, WebP, HEIC or AVIF."
    )


# JPEG


@dataclass(slots=True)
class _Frame:
    """A JPEG's frame header: what is coded, and how."""

    size: tuple[int, int]
    progressive: bool
    components: dict[int, tuple[int, int]]

    @property
    def coefficients(self) -> float:
        """Bytes per pixel when all coefficients are held: two for each sample."""
        widest = max(h for h, _ in self.components.values())
        tallest = max(v for _, v in self.components.values())
        return 2 * sum(h * v for h, v in self.components.values()) / (widest * tallest)


def _jpeg(data: bytes) -> Stripped:
    header: list[bytes] = [b"\xff\xd8"]
    frame: _Frame | None = None
    orientation = 1
    tables = 0
    at = 2
    for _ in range(MAX_PARTS):
        marker, segment, start = _segment(data, at)
        at = start + len(segment)
        if marker == 0xDA:
            if frame is None:
                raise damaged()
            return _scans(data, header, frame, orientation, start)
        if marker in _FRAMES:
            if frame is not None:
                raise damaged()
            frame = _frame(marker, segment)
            header.append(segment)
        elif marker in (0xC4, 0xDB, 0xDD) or segment[4:9] in (b"JFIF\0", b"Adobe"):
            tables += len(segment)
            header.append(segment)
        elif marker == 0xE1 and segment[4:10] == b"Exif\0\0" and orientation == 1:
            orientation = _orientation(segment[10:])
        if tables > MAX_TABLES:
            raise damaged()
    raise damaged()


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """The next marker from ``at``, its segment with the marker, and where it starts."""
    found = _JPEG_MARKER.search(data, at)
    if found is None:
        raise cut_short()
    start = found.start()
    marker = data[start + 1]
    if marker in (0x01, 0xD8, 0xD9):
        return marker, data[start : start + 2], start
    if start + 4 > len(data):
        raise cut_short()
    length = int.from_bytes(data[start + 2 : start + 4], "big")
    if length < 2:
        raise damaged()
    if start + 2 + length > len(data):
        raise cut_short()
    return marker, data[start : start + 2 + length], start


def _frame(marker: int, segment: bytes) -> _Frame:
    if len(segment) < 10 or len(segment) != 10 + 3 * segment[9]:
        raise damaged()
    if marker not in (0xC0, 0xC1, 0xC2) or segment[4] != 8:
        raise UnsupportedFormat(
            "That is a rare kind of JPEG that I can't read. Save it as an ordinary JPEG or PNG."
        )
    height, width = struct.unpack_from(">HH", segment, 5)
    components = {
        segment[at]: (segment[at + 1] >> 4, segment[at + 1] & 15)
        for at in range(10, len(segment), 3)
    }
    if not components or not all(1 <= h <= 4 and 1 <= v <= 4 for h, v in components.values()):
        raise damaged()
    return _Frame((width, height), marker == 0xC2, components)


def _scans(data: bytes, header: list[bytes], frame: _Frame, orientation: int, at: int) -> Stripped:
    """The coded picture from the first scan at ``at``."""
    _, scan, _ = _segment(data, at)
    if not frame.progressive and scan[4] == len(frame.components):
        # With its end marker, libjpeg fills what is missing with grey and says nothing.
        # Without it, a cut picture runs dry, and a whole one only needs bits to look ahead at.
        end = data.find(b"\xff\xd9", at + len(scan))
        end = len(data) if end < 0 else end
        body = b"".join([*header, data[at:end], b"\xff\x00" * 4])
        return Stripped("JPEG", body, frame.size, orientation, scalable=True)
    end, count = _all_scans(data, frame, at)
    if count > MAX_SCANS or count * frame.size[0] * frame.size[1] > MAX_PIXEL_SCANS:
        raise TooManyPixels(
            "That JPEG is stored in too many passes to read. Save it as an ordinary JPEG."
        )
    body = b"".join([*header, data[at:end]])
    return Stripped("JPEG", body, frame.size, orientation, frame.coefficients, scalable=True)


def _all_scans(data: bytes, frame: _Frame, at: int) -> tuple[int, int]:
    """Where the picture ends and how many passes it has, all of which must be there.

    libjpeg accepts a picture whose last passes are missing: blurred, or grey.
    """
    missing = {name: [1] + [0] * 63 for name in frame.components}
    count = 0
    for _ in range(MAX_PARTS):
        marker, segment, start = _segment(data, at)
        at = start + len(segment)
        if marker == 0xD9:
            if any(any(bits) for bits in missing.values()):
                raise cut_short()
            return at, count
        if marker == 0xDA:
            count += 1
            _note_scan(segment, missing)
        elif marker in _FRAMES or marker == 0xD8:
            raise damaged()
    raise damaged()


def _note_scan(scan: bytes, missing: dict[int, list[int]]) -> None:
    """Note which bits of which coefficients a pass leaves for later ones."""
    names = scan[5 : 5 + 2 * scan[4] : 2]
    if len(scan) != 8 + 2 * scan[4]:
        raise damaged()
    first, last, bits = scan[-3], scan[-2], scan[-1] & 15
    for name in names:
        if name not in missing or first > last or last > 63:
            raise damaged()
        missing[name][first : last + 1] = [bits] * (last + 1 - first)


# PNG


def _png(data: bytes) -> Stripped:
    view = memoryview(data)
    kept: list[memoryview | bytes] = [data[:8]]
    orientation = 1
    at = 8
    for _ in range(MAX_PARTS):
        if at + 12 > len(data):
            raise cut_short()
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise cut_short()
        if at == 8 and (name != b"IHDR" or length != 13):
            raise damaged()
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
                raise damaged()
            kept.append(view[at:end])
        elif name == b"eXIf":
            orientation = _orientation(data[at + 8 : end - 4])
        if name == b"IEND":
            return Stripped("PNG", b"".join(kept), struct.unpack_from(">II", data, 16), orientation)
        at = end
    raise damaged()


# WebP


def _webp(data: bytes) -> Stripped:
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise cut_short()
    chunks: list[bytes] = []
    orientation = 1
    animated = False
    at = 12
    for _ in range(MAX_PARTS):
        if at + 8 > end:
            break
        name = data[at : at + 4]
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise cut_short()
        chunk = data[at : at + 8 + length]
        if name == b"VP8X":
            # Only the flags of transparency and animation: the rest is left out below.
            chunk = chunk[:8] + bytes([chunk[8] & 0x12]) + chunk[9:] if length >= 10 else b""
        if name in (b"VP8X", b"ANIM", b"ALPH", b"VP8 ", b"VP8L") or (
            name == b"ANMF" and not animated
        ):
            animated = animated or name == b"ANMF"
            chunks.append(chunk + b"\0" * (length & 1))
        elif name == b"EXIF":
            orientation = _orientation(chunk[8:].removeprefix(b"Exif\0\0"))
        at += 8 + length + (length & 1)
    body = b"WEBP" + b"".join(chunks)
    body = b"RIFF" + struct.pack("<I", len(body)) + body
    return Stripped("WEBP", body, _webp_size(body), orientation)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of the canvas, which is allocated as soon as the file is opened."""
    kind = data[12:16]
    if len(data) >= 30:
        if kind == b"VP8X":
            return (
                int.from_bytes(data[24:27], "little") + 1,
                int.from_bytes(data[27:30], "little") + 1,
            )
        if kind == b"VP8L" and data[20] == 0x2F:
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
    raise damaged()


# HEIC and AVIF


def _brand(data: bytes) -> str | None:
    """HEIF or AVIF by the brands that a box file claims, None for films and the like."""
    major = data[8:12]
    brands = {major}
    if major in _NEUTRAL:
        end = min(int.from_bytes(data[:4], "big"), 256)
        brands |= {data[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF:
        return "AVIF"
    return "HEIF" if brands & (_HEIF | _NEUTRAL) else None


def _boxes(data: bytes, form: str) -> Stripped:
    at = 0
    for _ in range(MAX_PARTS):
        if at == len(data):
            # An item of a type that no decoder knows is passed over.
            return Stripped(form, _METADATA_ITEM.sub(rb"\1free", data))
        if at + 8 > len(data):
            raise cut_short()
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        size = size or len(data) - at
        if size < 8:
            raise damaged()
        if at + size > len(data):
            raise cut_short()
        at += size
    raise damaged()


# EXIF


def _orientation(exif: bytes) -> int:
    """EXIF's orientation, 1 where it is absent or makes no sense."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return 1
    (at,) = struct.unpack_from(order + "I", exif, 4)
    if at + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
        if tag == 0x0112:
            return value if kind == 3 and 1 <= value <= 8 else 1
    return 1
