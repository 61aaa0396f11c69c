"""BMP, GIF, PNG and WebP: headers, palettes and the first picture, with nothing beside them.

A file that is incomplete or broken raises ``DamagedPhoto``.
"""

import struct
import zlib

from . import prepared

FILE_HEADER_BYTES = 14
_RGB, _BITFIELDS = 0, 3
"""Values of ``biCompression``. Run-length encoding, which Pillow decodes in Python, is not read."""


def prepare_bmp(data: bytes) -> prepared.PreparedImage:
    """Return a BMP that ends after its last row.

    Raises:
        UnsupportedFormat: compressed, or of an unknown depth.
    """
    header_size = int.from_bytes(data[14:18], "little")
    if len(data) < FILE_HEADER_BYTES + header_size:
        raise prepared.incomplete()
    offset = int.from_bytes(data[10:14], "little")
    if header_size == 12:
        width, height, planes, depth = struct.unpack_from("<4H", data, 18)
        compression = _RGB
    else:
        width, height, planes, depth, compression = struct.unpack_from("<2i2HI", data, 18)
    if compression not in (_RGB, _BITFIELDS) or depth not in (1, 4, 8, 16, 24, 32):
        raise prepared.rare_encoding("BMP")
    # A negative height means that the rows go from top to bottom.
    size = width, abs(height)
    if width < 1 or not height or planes != 1 or offset < FILE_HEADER_BYTES + header_size:
        raise prepared.damaged()
    end = offset + (width * depth + 31) // 32 * 4 * abs(height)
    if end > len(data):
        raise prepared.incomplete()
    return prepared.PreparedImage("BMP", data[:end], size)


MAX_BLOCKS = 200_000
"""Data blocks in one file; 20 MB in blocks of 255 bytes have 82,000."""

GIF_HEADER_BYTES = 13
GIF_DESCRIPTOR_BYTES = 10

_EXTENSION, _IMAGE, _TRAILER, _PADDING = 0x21, 0x2C, 0x3B, 0x00
_GRAPHIC_CONTROL = 0xF9


def prepare_gif(data: bytes) -> prepared.PreparedImage:
    """Return a GIF without comments, other extensions and further frames."""
    if len(data) < GIF_HEADER_BYTES:
        raise prepared.incomplete()
    screen = struct.unpack_from("<2H", data, 6)
    at = GIF_HEADER_BYTES + _palette_size(data[10])
    header, control = data[:at], b""
    blocks = 0
    for _ in range(prepared.MAX_PARTS):
        kind = data[at] if at < len(data) else None
        if kind is None:
            raise prepared.incomplete()
        if kind == _EXTENSION:
            end, blocks = _skip_blocks(data, at + 2, blocks)
            if data[at + 1] == _GRAPHIC_CONTROL:
                # It holds the index of the transparent colour.
                control = data[at:end]
            at = end
        elif kind == _IMAGE:
            size, end = _parse_frame(data, at, screen, blocks)
            body = header + control + data[at:end] + bytes([_TRAILER])
            return prepared.PreparedImage("GIF", body, size)
        elif kind == _PADDING:
            at += 1
        else:
            raise prepared.damaged()
    raise prepared.damaged()


def _parse_frame(
    data: bytes, at: int, screen: tuple[int, int], blocks: int
) -> tuple[tuple[int, int], int]:
    """Return the size of the canvas and the end of the frame that begins at ``at``."""
    if at + GIF_DESCRIPTOR_BYTES > len(data):
        raise prepared.incomplete()
    left, top, width, height, flags = struct.unpack_from("<4HB", data, at + 1)
    if not width or not height:
        raise prepared.damaged()
    # The byte between palette and data is the code size.
    end, _ = _skip_blocks(data, at + GIF_DESCRIPTOR_BYTES + _palette_size(flags) + 1, blocks)
    # Pillow enlarges the canvas if the frame extends beyond it.
    return (max(screen[0], left + width), max(screen[1], top + height)), end


def _palette_size(flags: int) -> int:
    """Return the size in bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, at: int, blocks: int) -> tuple[int, int]:
    """Return where a chain of data blocks ends, and ``blocks`` plus the length of the chain."""
    while blocks < MAX_BLOCKS:
        if at >= len(data):
            raise prepared.incomplete()
        length = data[at]
        at += 1 + length
        blocks += 1
        if length == 0:
            return at, blocks
    raise prepared.damaged()


def prepare_png(data: bytes) -> prepared.PreparedImage:
    """Return a PNG without text, profiles and further frames."""
    view = memoryview(data)
    chunks: list[memoryview | bytes] = [data[:8]]
    orientation = 1
    at = 8
    for _ in range(prepared.MAX_PARTS):
        if at + 12 > len(data):
            raise prepared.incomplete()
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise prepared.incomplete()
        if at == 8 and (name != b"IHDR" or length != 13):
            raise prepared.damaged()
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
                raise prepared.damaged()
            chunks.append(view[at:end])
        elif name == b"eXIf":
            orientation = prepared.parse_orientation(data[at + 8 : end - 4])
        if name == b"IEND":
            return prepared.PreparedImage(
                "PNG", b"".join(chunks), struct.unpack_from(">II", data, 16), orientation
            )
        at = end
    raise prepared.damaged()


LOSSLESS_BYTES_PER_PIXEL = 1.8
"""Bytes per pixel that the lossless decoder needs besides the canvases."""


def prepare_webp(data: bytes) -> prepared.PreparedImage:
    """Return a WebP without profiles, text and further frames."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise prepared.incomplete()
    chunks: list[bytes] = []
    orientation = 1
    animated = False
    at = 12
    for _ in range(prepared.MAX_PARTS):
        if at + 8 > end:
            break
        name = data[at : at + 4]
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise prepared.incomplete()
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
            orientation = prepared.parse_orientation(chunk[8:].removeprefix(b"Exif\0\0"))
        at += 8 + length + (length & 1)
    body = b"WEBP" + b"".join(chunks)
    body = b"RIFF" + struct.pack("<I", len(body)) + body
    extra = LOSSLESS_BYTES_PER_PIXEL if b"VP8L" in body[:128] else 0.0
    return prepared.PreparedImage("WEBP", body, _canvas_size(body), orientation, extra)


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
    raise prepared.damaged()
