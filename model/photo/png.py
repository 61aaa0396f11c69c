"""PNG: the header, the palette and the picture, with right checksums."""

import struct
import zlib

from .prepared import MAX_PARTS, PreparedImage, cut_short, damaged, orientation_of

__all__ = ["strip_png"]


def strip_png(data: bytes) -> PreparedImage:
    """A PNG without text, profiles and further frames.

    Raises:
        DamagedPhoto: cut short or broken.
    """
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
            orientation = orientation_of(data[at + 8 : end - 4])
        if name == b"IEND":
            return PreparedImage(
                "PNG", b"".join(kept), struct.unpack_from(">II", data, 16), orientation
            )
        at = end
    raise damaged()
