"""GIF: the first frame and the canvas that it is drawn on."""

import struct

from .prepared import MAX_PARTS, PreparedImage, damaged, incomplete

MAX_BLOCKS = 200_000
"""Data blocks in one file; 20 MB in blocks of 255 bytes have 82,000."""

HEADER_BYTES = 13
DESCRIPTOR_BYTES = 10

_EXTENSION, _IMAGE, _TRAILER, _PADDING = 0x21, 0x2C, 0x3B, 0x00
_GRAPHIC_CONTROL = 0xF9


def prepare_gif(data: bytes) -> PreparedImage:
    """Return a GIF without comments, other extensions and further frames.

    Raises:
        DamagedPhoto: incomplete or broken.
    """
    if len(data) < HEADER_BYTES:
        raise incomplete()
    screen = struct.unpack_from("<2H", data, 6)
    at = HEADER_BYTES + _palette_size(data[10])
    header, control = data[:at], b""
    blocks = 0
    for _ in range(MAX_PARTS):
        kind = data[at] if at < len(data) else None
        if kind is None:
            raise incomplete()
        if kind == _EXTENSION:
            end, blocks = _skip_blocks(data, at + 2, blocks)
            if data[at + 1] == _GRAPHIC_CONTROL:
                # It holds the index of the transparent colour.
                control = data[at:end]
            at = end
        elif kind == _IMAGE:
            size, end = _parse_frame(data, at, screen, blocks)
            body = header + control + data[at:end] + bytes([_TRAILER])
            return PreparedImage("GIF", body, size)
        elif kind == _PADDING:
            at += 1
        else:
            raise damaged()
    raise damaged()


def _parse_frame(
    data: bytes, at: int, screen: tuple[int, int], blocks: int
) -> tuple[tuple[int, int], int]:
    """Return the size of the canvas and the end of the frame that begins at ``at``."""
    if at + DESCRIPTOR_BYTES > len(data):
        raise incomplete()
    left, top, width, height, flags = struct.unpack_from("<4HB", data, at + 1)
    if not width or not height:
        raise damaged()
    # The byte between palette and data is the code size.
    end, _ = _skip_blocks(data, at + DESCRIPTOR_BYTES + _palette_size(flags) + 1, blocks)
    # Pillow enlarges the canvas if the frame extends beyond it.
    return (max(screen[0], left + width), max(screen[1], top + height)), end


def _palette_size(flags: int) -> int:
    """Return the size in bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, at: int, blocks: int) -> tuple[int, int]:
    """Return where a chain of data blocks ends, and ``blocks`` plus the length of the chain."""
    while blocks < MAX_BLOCKS:
        if at >= len(data):
            raise incomplete()
        length = data[at]
        at += 1 + length
        blocks += 1
        if length == 0:
            return at, blocks
    raise damaged()
