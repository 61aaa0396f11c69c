"""TIFF: the first picture, rewritten with only the tags that decoding needs.

libtiff reads dozens of compressions, tiles larger than the picture and strips that
overlap. Only what cameras, scanners and image editors usually write is accepted:
strips of 1 to 16 bits per sample, uncompressed, PackBits, LZW or Deflate. Tiles,
separate planes, BigTIFF, fax, JPEG and raw files (whose first picture is a thumbnail)
are rejected as rare.
"""

import itertools
import struct

from PIL import TiffImagePlugin

from .exif import parse_orientation
from .prepared import MAX_PARTS, PreparedImage, damaged, incomplete, rare_encoding

__all__ = ["prepare_tiff"]

MAX_TAGS = 1000
"""Most tags of one picture; cameras write about 50."""

MAX_VALUES = 4 * MAX_PARTS
"""Most values of one tag."""

_SUBFILE_TYPE = 254
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _STRIP_OFFSETS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES = 266, 273, 277, 278, 279
_PLANES, _PREDICTOR, _PALETTE, _TILE_WIDTH = 284, 317, 320, 322
_EXTRA_SAMPLES, _SAMPLE_FORMAT = 338, 339

_READ_TAGS = frozenset(
    {
        *(_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC),
        *(_FILL_ORDER, _STRIP_OFFSETS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES),
        *(_PLANES, _PREDICTOR, _PALETTE, _TILE_WIDTH, _EXTRA_SAMPLES, _SAMPLE_FORMAT),
    }
)

_NO_COMPRESSION, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 8, 32946, 32773
_COMPRESSIONS = (_NO_COMPRESSION, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS)

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INDEXED, _CMYK = 0, 1, 2, 3, 5
_PHOTOMETRICS = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INDEXED, _CMYK)

_FORMATS = {1: "B", 3: "H", 4: "I"}
"""``struct``'s letters for the value types that are read: BYTE, SHORT, LONG."""

Tags = dict[int, tuple[int, ...]]
"""The values of each tag."""


def prepare_tiff(data: bytes) -> PreparedImage:
    """Return the first picture of a TIFF as a separate file.

    Raises:
        DamagedPhoto: incomplete, contradictory, or made to keep a decoder busy.
        UnsupportedFormat: in a rare encoding.
    """
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 8:
        raise incomplete()
    if struct.unpack_from(order + "H", data, 2)[0] != 42:
        raise rare_encoding("TIFF")
    tags = _read_tags(data, order)
    size = _get_single(tags, _WIDTH), _get_single(tags, _HEIGHT)
    if not all(size):
        raise damaged()
    _check_encoding(tags)
    body = _write_tiff(order, tags, _read_strips(data, tags, size))
    # libtiff holds a decompressed strip beside the picture, or a copy of uncompressed data.
    strip_bytes = _row_bytes(tags) * tags[_STRIP_ROWS][0]
    if tags[_COMPRESSION][0] == _NO_COMPRESSION:
        strip_bytes = len(body)
    extra = strip_bytes / (size[0] * size[1])
    return PreparedImage("TIFF", body, size, parse_orientation(data), extra)


def _read_tags(data: bytes, order: str) -> Tags:
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        raise incomplete()
    (count,) = struct.unpack_from(order + "H", data, start)
    if count > MAX_TAGS:
        raise damaged()
    if start + 2 + 12 * count > len(data):
        raise incomplete()
    tags: Tags = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "2HI", data, at)
        if tag not in _READ_TAGS:
            continue
        if tag in tags or kind not in _FORMATS or not 1 <= number <= MAX_VALUES:
            raise damaged()
        values = f"{order}{number}{_FORMATS[kind]}"
        place = at + 8
        if struct.calcsize(values) > 4:
            (place,) = struct.unpack_from(order + "I", data, place)
        if place + struct.calcsize(values) > len(data):
            raise incomplete()
        tags[tag] = struct.unpack_from(values, data, place)
    return tags


def _get_single(tags: Tags, tag: int, default: int | None = None) -> int:
    if tag not in tags and default is not None:
        return default
    if len(tags.get(tag, ())) != 1:
        raise damaged()
    return tags[tag][0]


def _check_encoding(tags: Tags) -> None:
    """Reject rare encodings, and those that would be decoded wrongly.

    Raises:
        UnsupportedFormat: the encoding is one of these.
        DamagedPhoto: the palette has the wrong size.
    """
    photometric = _get_single(tags, _PHOTOMETRIC)
    samples = _get_single(tags, _SAMPLES, 1)
    bits = tags.get(_BITS, (1,))
    is_rare = (
        _TILE_WIDTH in tags
        or _get_single(tags, _SUBFILE_TYPE, 0) & 1
        or _get_single(tags, _COMPRESSION, _NO_COMPRESSION) not in _COMPRESSIONS
        or photometric not in _PHOTOMETRICS
        or _get_single(tags, _FILL_ORDER, 1) != 1
        or _get_single(tags, _PREDICTOR, 1) not in (1, 2)
        or (samples > 1 and _get_single(tags, _PLANES, 1) != 1)
        or not 1 <= samples <= 5
        or set(tags.get(_SAMPLE_FORMAT, (1,))) != {1}
        or len(set(bits)) != 1
        or bits[0] not in (1, 2, 4, 8, 16)
        # Pillow reads these without inverting them.
        or (photometric == _WHITE_IS_ZERO and bits[0] > 8)
    )
    if is_rare:
        raise rare_encoding("TIFF")
    if photometric == _INDEXED and len(tags.get(_PALETTE, ())) != 3 << bits[0]:
        raise damaged()
    tags.setdefault(_COMPRESSION, (_NO_COMPRESSION,))
    tags[_BITS] = bits[:1] * samples


def _row_bytes(tags: Tags) -> int:
    """Return the bytes of a row before compression."""
    return (tags[_WIDTH][0] * sum(tags[_BITS]) + 7) // 8


def _read_strips(data: bytes, tags: Tags, size: tuple[int, int]) -> list[memoryview]:
    """Return the strips of the picture, which together are no longer than the file.

    Raises:
        DamagedPhoto: strips are missing, overlap or lie outside the file.
    """
    height = size[1]
    rows = min(_get_single(tags, _STRIP_ROWS, height), height)
    count = -(-height // rows) if rows else 0
    if not 1 <= count <= MAX_PARTS:
        raise damaged()
    tags[_STRIP_ROWS] = (rows,)
    offsets = tags.get(_STRIP_OFFSETS, ())[:count]
    if tags[_COMPRESSION][0] == _NO_COMPRESSION:
        row_bytes = _row_bytes(tags)
        last_rows = height - rows * (count - 1)
        lengths = (rows * row_bytes,) * (count - 1) + (last_rows * row_bytes,)
    else:
        lengths = tags.get(_STRIP_BYTES, ())[:count]
    if len(offsets) != count or len(lengths) != count:
        raise damaged()
    if any(at + length > len(data) for at, length in zip(offsets, lengths, strict=True)):
        raise incomplete()
    if sum(lengths) > len(data):
        raise damaged()
    view = memoryview(data)
    strips = [view[at : at + length] for at, length in zip(offsets, lengths, strict=True)]
    if tags[_COMPRESSION][0] == _NO_COMPRESSION:
        # Join them into one strip: Pillow takes a second for 50,000.
        tags[_STRIP_ROWS] = (height,)
        start = offsets[0]
        if offsets == tuple(itertools.accumulate(lengths[:-1], initial=start)):
            return [view[start : start + sum(lengths)]]
        return [memoryview(b"".join(strips))]
    return strips


def _write_tiff(order: str, tags: Tags, strips: list[memoryview]) -> bytes:
    """Return a TIFF with one picture: header, tags, strips."""
    prefix = b"II" if order == "<" else b"MM"
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=prefix)
    for tag in _READ_TAGS & tags.keys() - {_SUBFILE_TYPE, _PLANES}:
        directory[tag] = tags[tag]
    lengths = [len(strip) for strip in strips]
    # Pillow adds the place where the directory ends.
    directory[_STRIP_OFFSETS] = tuple(itertools.accumulate(lengths[:-1], initial=0))
    directory[_STRIP_BYTES] = tuple(lengths)
    header = struct.pack(order + "2sHI", prefix, 42, 8)
    return b"".join([header, directory.tobytes(len(header)), *strips])
