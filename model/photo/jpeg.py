"""JPEG: the header's tables and the coded picture, all of it."""

import re
import struct
from dataclasses import dataclass

from ..errors import TooManyPixels, UnsupportedFormat
from .prepared import MAX_PARTS, PreparedImage, cut_short, damaged, orientation_of

__all__ = ["strip_jpeg"]

MAX_TABLES = 2**18
"""Bytes of tables and preview in a JPEG header; four tables of each kind take 2 kB."""

MAX_SCANS = 100
"""Passes in one progressive JPEG; encoders write about ten."""

MAX_PIXEL_SCANS = 600_000_000
"""Pixels times passes: each pass visits every pixel again, however few bytes it holds."""

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


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


def strip_jpeg(data: bytes) -> PreparedImage:
    """A JPEG without its application segments.

    Raises:
        DamagedPhoto: cut short or broken.
        UnsupportedFormat: lossless, arithmetic-coded or more than 8 bits deep.
        TooManyPixels: too many passes over too many pixels.
    """
    header: list[bytes] = [b"\xff\xd8"]
    frame: _Frame | None = None
    orientation = 0
    tables = 0
    at = 2
    for _ in range(MAX_PARTS):
        marker, segment, start = _segment(data, at)
        at = start + len(segment)
        if marker == 0xDA:
            if frame is None:
                raise damaged()
            return _scans(data, header, frame, orientation or 1, start)
        if marker in _FRAMES:
            if frame is not None:
                raise damaged()
            frame = _frame(marker, segment)
            header.append(segment)
        elif marker in (0xC4, 0xDB, 0xDD) or segment[4:9] in (b"JFIF\0", b"Adobe"):
            tables += len(segment)
            header.append(segment)
        elif marker == 0xE1 and segment[4:10] == b"Exif\0\0" and not orientation:
            orientation = orientation_of(segment[10:])
        if tables > MAX_TABLES:
            raise damaged()
    raise damaged()


def _segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """The next marker from ``at``, its segment with the marker, and where it starts."""
    found = _MARKER.search(data, at)
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


def _scans(
    data: bytes, header: list[bytes], frame: _Frame, orientation: int, at: int
) -> PreparedImage:
    """The coded picture from the first scan at ``at``."""
    _, scan, _ = _segment(data, at)
    if not frame.progressive and scan[4] == len(frame.components):
        # With its end marker, libjpeg fills what is missing with grey and says nothing.
        # Without it, a cut picture runs dry; a whole one only needs 64 bits to look ahead at.
        end = data.find(b"\xff\xd9", at + len(scan))
        end = len(data) if end < 0 else end
        body = b"".join([*header, data[at:end], b"\xff\x00" * 8])
        return PreparedImage("JPEG", body, frame.size, orientation, scalable=True)
    end, count = _all_scans(data, frame, at)
    if count > MAX_SCANS or count * frame.size[0] * frame.size[1] > MAX_PIXEL_SCANS:
        raise TooManyPixels(
            "That JPEG is stored in too many passes to read. Save it as an ordinary JPEG."
        )
    body = b"".join([*header, data[at:end]])
    return PreparedImage("JPEG", body, frame.size, orientation, frame.coefficients, scalable=True)


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
