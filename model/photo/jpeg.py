"""JPEG: the tables of the header and the complete coded picture."""

import re
import struct
from dataclasses import dataclass

from ..errors import TooManyPixels
from . import prepared

MAX_TABLE_BYTES = 2**18
"""Most bytes of tables and preview in a JPEG header; four tables of each kind take 2 kB."""

MAX_SCANS = 100
"""Most scans in one progressive JPEG; encoders write about ten."""

MAX_PIXEL_SCANS = 650_000_000
"""Limit on pixels times scans: each scan visits every pixel, even if it holds few bytes."""

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(slots=True)
class _Frame:
    """The frame header of a JPEG: what is coded, and how.

    ``components`` holds the horizontal and vertical sampling factor by component number.
    """

    size: tuple[int, int]
    progressive: bool
    components: dict[int, tuple[int, int]]

    @property
    def coefficient_bytes(self) -> float:
        """Bytes per pixel to hold all coefficients: two for each sample."""
        widest = max(h for h, _ in self.components.values())
        tallest = max(v for _, v in self.components.values())
        return 2 * sum(h * v for h, v in self.components.values()) / (widest * tallest)


def prepare_jpeg(data: bytes) -> prepared.PreparedImage:
    """Return a JPEG without its application segments.

    Raises:
        DamagedPhoto: incomplete or broken.
        UnsupportedFormat: lossless, arithmetic-coded or more than 8 bits deep.
        TooManyPixels: too many scans of too many pixels.
    """
    header: list[bytes] = [b"\xff\xd8"]
    frame: _Frame | None = None
    orientation = 0
    tables = 0
    at = 2
    for _ in range(prepared.MAX_PARTS):
        marker, segment, start = _next_segment(data, at)
        at = start + len(segment)
        if marker == 0xDA:
            if frame is None:
                raise prepared.damaged()
            return _prepare_picture(data, header, frame, orientation or 1, start)
        if marker in _FRAME_MARKERS:
            if frame is not None:
                raise prepared.damaged()
            frame = _parse_frame(marker, segment)
            header.append(segment)
        elif marker in (0xC4, 0xDB, 0xDD) or segment[4:9] in (b"JFIF\0", b"Adobe"):
            tables += len(segment)
            header.append(segment)
        elif marker == 0xE1 and segment[4:10] == b"Exif\0\0" and not orientation:
            orientation = prepared.parse_orientation(segment[10:])
        if tables > MAX_TABLE_BYTES:
            raise prepared.damaged()
    raise prepared.damaged()


def _next_segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return the next marker from ``at``, its segment with the marker, and where it starts."""
    match = _MARKER.search(data, at)
    if match is None:
        raise prepared.incomplete()
    start = match.start()
    marker = data[start + 1]
    if marker in (0x01, 0xD8, 0xD9):
        return marker, data[start : start + 2], start
    if start + 4 > len(data):
        raise prepared.incomplete()
    length = int.from_bytes(data[start + 2 : start + 4], "big")
    if length < 2:
        raise prepared.damaged()
    if start + 2 + length > len(data):
        raise prepared.incomplete()
    return marker, data[start : start + 2 + length], start


def _parse_frame(marker: int, segment: bytes) -> _Frame:
    if len(segment) < 10 or len(segment) != 10 + 3 * segment[9]:
        raise prepared.damaged()
    if marker not in (0xC0, 0xC1, 0xC2) or segment[4] != 8:
        raise prepared.rare_encoding("JPEG")
    height, width = struct.unpack_from(">HH", segment, 5)
    components = {
        segment[at]: (segment[at + 1] >> 4, segment[at + 1] & 15)
        for at in range(10, len(segment), 3)
    }
    if not components or not all(1 <= h <= 4 and 1 <= v <= 4 for h, v in components.values()):
        raise prepared.damaged()
    return _Frame((width, height), marker == 0xC2, components)


def _prepare_picture(
    data: bytes, header: list[bytes], frame: _Frame, orientation: int, at: int
) -> prepared.PreparedImage:
    """Return the picture whose first scan begins at ``at``."""
    _, scan, _ = _next_segment(data, at)
    if not frame.progressive and scan[4] == len(frame.components):
        # With an end marker, libjpeg silently fills missing rows with grey. Without one, an
        # incomplete picture runs out of data; a complete one needs 64 bits of look-ahead.
        end = data.find(b"\xff\xd9", at + len(scan))
        end = len(data) if end < 0 else end
        body = b"".join([*header, data[at:end], b"\xff\x00" * 8])
        return prepared.PreparedImage("JPEG", body, frame.size, orientation)
    end, count = _count_scans(data, frame, at)
    if count > MAX_SCANS or count * frame.size[0] * frame.size[1] > MAX_PIXEL_SCANS:
        raise TooManyPixels(
            "This progressive JPEG has too many scans to decode safely. Save it as a standard JPEG."
        )
    body = b"".join([*header, data[at:end]])
    return prepared.PreparedImage("JPEG", body, frame.size, orientation, frame.coefficient_bytes)


def _count_scans(data: bytes, frame: _Frame, at: int) -> tuple[int, int]:
    """Return where the picture ends and how many scans it has.

    Raises:
        DamagedPhoto: a scan is missing; libjpeg would show a blurred or grey picture.
    """
    missing = {name: [1] + [0] * 63 for name in frame.components}
    count = 0
    for _ in range(prepared.MAX_PARTS):
        marker, segment, start = _next_segment(data, at)
        at = start + len(segment)
        if marker == 0xD9:
            if any(any(bits) for bits in missing.values()):
                raise prepared.incomplete()
            return at, count
        if marker == 0xDA:
            count += 1
            _note_scan(segment, missing)
        elif marker in _FRAME_MARKERS or marker == 0xD8:
            raise prepared.damaged()
    raise prepared.damaged()


def _note_scan(scan: bytes, missing: dict[int, list[int]]) -> None:
    """Record how many bits of each coefficient a scan leaves to later scans."""
    names = scan[5 : 5 + 2 * scan[4] : 2]
    if len(scan) != 8 + 2 * scan[4]:
        raise prepared.damaged()
    first, last, bits = scan[-3], scan[-2], scan[-1] & 15
    for name in names:
        if name not in missing or first > last or last > 63:
            raise prepared.damaged()
        missing[name][first : last + 1] = [bits] * (last + 1 - first)
