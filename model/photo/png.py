"""PNG: header, palette and picture, with verified checksums."""

import struct
import zlib

from .exif import parse_orientation
from .prepared import MAX_PARTS, PreparedImage, damaged, incomplete


def prepare_png(data: bytes) -> PreparedImage:
    """Return a PNG without text, profiles and further frames.

    Raises:
        DamagedPhoto: incomplete or broken.
    """
    view = memoryview(data)
    chunks: list[memoryview | bytes] = [data[:8]]
    orientation = 1
    at = 8
    for _ in range(MAX_PARTS):
        if at + 12 > len(data):
            raise incomplete()
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise incomplete()
        if at == 8 and (name != b"IHDR" or length != 13):
            raise damaged()
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
                raise damaged()
            chunks.append(view[at:end])
        elif name == b"eXIf":
            orientation = parse_orientation(data[at + 8 : end - 4])
        if name == b"IEND":
            return PreparedImage(
                "PNG", b"".join(chunks), struct.unpack_from(">II", data, 16), orientation
            )
        at = end
    raise damaged()
