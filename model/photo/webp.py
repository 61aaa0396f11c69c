"""WebP: the first frame and the canvas that it is drawn on."""

import struct

from .exif import parse_orientation
from .prepared import MAX_PARTS, PreparedImage, damaged, incomplete

LOSSLESS_BYTES_PER_PIXEL = 1.8
"""Bytes per pixel that the lossless decoder needs besides the canvases."""


def prepare_webp(data: bytes) -> PreparedImage:
    """Return a WebP without profiles, text and further frames.

    Raises:
        DamagedPhoto: incomplete or broken.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise incomplete()
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
            raise incomplete()
        chunk = data[at : at + 8 + length]
        if name == b"VP8X":
            # Keep only the flags for transparency and animation: other chunks are left out.
            chunk = chunk[:8] + bytes([chunk[8] & 0x12]) + chunk[9:] if length >= 10 else b""
        if name in (b"VP8X", b"ANIM", b"ALPH", b"VP8 ", b"VP8L") or (
            name == b"ANMF" and not animated
        ):
            animated = animated or name == b"ANMF"
            chunks.append(chunk + b"\0" * (length & 1))
        elif name == b"EXIF":
            orientation = parse_orientation(chunk[8:].removeprefix(b"Exif\0\0"))
        at += 8 + length + (length & 1)
    body = b"WEBP" + b"".join(chunks)
    body = b"RIFF" + struct.pack("<I", len(body)) + body
    extra = LOSSLESS_BYTES_PER_PIXEL if b"VP8L" in body[:128] else 0.0
    return PreparedImage("WEBP", body, _canvas_size(body), orientation, extra)


def _canvas_size(data: bytes) -> tuple[int, int]:
    """Return width and height of the canvas, which Pillow allocates when it opens the file."""
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
