"""BMP: the header, the palette and uncompressed rows."""

import struct

from .prepared import PreparedImage, damaged, incomplete, rare_encoding

FILE_HEADER_BYTES = 14

_RGB, _BITFIELDS = 0, 3
"""Values of ``biCompression``. Run-length encoding, which Pillow decodes in Python, is not read."""


def prepare_bmp(data: bytes) -> PreparedImage:
    """Return a BMP that ends after its last row.

    Raises:
        DamagedPhoto: incomplete or broken.
        UnsupportedFormat: compressed, or of an unknown depth.
    """
    header_size = int.from_bytes(data[14:18], "little")
    if len(data) < FILE_HEADER_BYTES + header_size:
        raise incomplete()
    offset = int.from_bytes(data[10:14], "little")
    if header_size == 12:
        width, height, planes, depth = struct.unpack_from("<4H", data, 18)
        compression = _RGB
    else:
        width, height, planes, depth, compression = struct.unpack_from("<2i2HI", data, 18)
    if compression not in (_RGB, _BITFIELDS) or depth not in (1, 4, 8, 16, 24, 32):
        raise rare_encoding("BMP")
    # A negative height means that the rows go from top to bottom.
    size = width, abs(height)
    if width < 1 or not height or planes != 1 or offset < FILE_HEADER_BYTES + header_size:
        raise damaged()
    end = offset + (width * depth + 31) // 32 * 4 * abs(height)
    if end > len(data):
        raise incomplete()
    return PreparedImage("BMP", data[:end], size)
