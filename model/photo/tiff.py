"""TIFF: the first picture, rewritten with only the tags that decoding needs.

libtiff reads dozens of compressions, tiles larger than the picture and strips that
overlap. Only what cameras, scanners and image editors usually write is accepted:
strips of 1 to 16 bits per sample, uncompressed, PackBits, LZW or Deflate. Tiles,
separate planes, BigTIFF, fax, JPEG and raw files (whose first picture is a thumbnail)
are rejected as rare.
"""

import ctypes
import itertools
import struct
from contextlib import suppress
from functools import cache
from pathlib import Path

from PIL import TiffImagePlugin as Tiff

from . import prepared

MAX_VALUES = 4 * prepared.MAX_PARTS
"""Most values of one tag."""

_SUBFILE_TYPE = 254
_NO_COMPRESSION, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 8, 32946, 32773
_COMPRESSIONS = {_NO_COMPRESSION, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INDEXED, _CMYK = 0, 1, 2, 3, 5
_PHOTOMETRICS = {_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INDEXED, _CMYK}

_ENCODINGS: dict[int, tuple[int | None, set[int]]] = {
    # An odd type is a smaller copy of another picture.
    _SUBFILE_TYPE: (0, {0, 2, 4, 6}),
    Tiff.COMPRESSION: (_NO_COMPRESSION, _COMPRESSIONS),
    Tiff.PHOTOMETRIC_INTERPRETATION: (None, _PHOTOMETRICS),
    Tiff.FILLORDER: (1, {1}),
    Tiff.SAMPLESPERPIXEL: (1, {1, 2, 3, 4, 5}),
    Tiff.PLANAR_CONFIGURATION: (1, {1, 2}),
    Tiff.PREDICTOR: (1, {1, 2}),
}
"""Tags with a single value: the one that a missing tag means, and those that are read."""

_DIMENSIONS = (Tiff.IMAGEWIDTH, Tiff.IMAGELENGTH)
_STRIPS = (Tiff.STRIPOFFSETS, Tiff.ROWSPERSTRIP, Tiff.STRIPBYTECOUNTS)
_SAMPLES = (Tiff.BITSPERSAMPLE, Tiff.SAMPLEFORMAT, Tiff.EXTRASAMPLES, Tiff.COLORMAP)
_READ_TAGS = {*_ENCODINGS, *_DIMENSIONS, *_STRIPS, *_SAMPLES, Tiff.TILEWIDTH}

_FORMATS = {1: "B", 3: "H", 4: "I"}
"""``struct``'s letters for the value types that are read: BYTE, SHORT, LONG."""

Tags = dict[int, tuple[int, ...]]
"""The values of each tag."""


@cache
def _silence_libtiff() -> None:
    """Stop libtiff from logging each damaged file to stderr; Pillow raises an error anyway."""
    with suppress(OSError, AttributeError):
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        for path in {line[line.index("/") :] for line in maps if "/libtiff" in line}:
            ctypes.CDLL(path).TIFFSetErrorHandler(None)


def prepare_tiff(data: bytes) -> prepared.PreparedImage:
    """Return the first picture of a TIFF as a separate file.

    Raises:
        DamagedPhoto: incomplete, contradictory, or made to keep a decoder busy.
        UnsupportedFormat: in a rare encoding.
    """
    _silence_libtiff()
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 8:
        raise prepared.incomplete()
    if struct.unpack_from(order + "H", data, 2)[0] != 42:
        raise prepared.rare_encoding("TIFF")
    tags = _read_tags(data, order)
    width, height = size = _get_single(tags, Tiff.IMAGEWIDTH), _get_single(tags, Tiff.IMAGELENGTH)
    if not all(size):
        raise prepared.damaged()
    _check_encoding(tags)
    row_bytes = (width * sum(tags[Tiff.BITSPERSAMPLE]) + 7) // 8
    strips = _read_strips(data, tags, height, row_bytes)
    body = _write_tiff(order, tags, strips)
    # libtiff holds a decompressed strip beside the picture; others are copied as they are.
    is_plain = tags[Tiff.COMPRESSION] == (_NO_COMPRESSION,)
    extra = len(body) if is_plain else row_bytes * tags[Tiff.ROWSPERSTRIP][0]
    return prepared.PreparedImage(
        "TIFF", body, size, prepared.parse_orientation(data), extra / (width * height)
    )


def _read_tags(data: bytes, order: str) -> Tags:
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        raise prepared.incomplete()
    (count,) = struct.unpack_from(order + "H", data, start)
    if start + 2 + 12 * count > len(data):
        raise prepared.incomplete()
    tags: Tags = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "2HI", data, at)
        if tag not in _READ_TAGS:
            continue
        if tag in tags or kind not in _FORMATS or not 1 <= number <= MAX_VALUES:
            raise prepared.damaged()
        values = f"{order}{number}{_FORMATS[kind]}"
        place = at + 8
        if struct.calcsize(values) > 4:
            (place,) = struct.unpack_from(order + "I", data, place)
        if place + struct.calcsize(values) > len(data):
            raise prepared.incomplete()
        tags[tag] = struct.unpack_from(values, data, place)
    return tags


def _get_single(tags: Tags, tag: int, default: int | None = None) -> int:
    if tag not in tags and default is not None:
        return default
    if len(tags.get(tag, ())) != 1:
        raise prepared.damaged()
    return tags[tag][0]


def _check_encoding(tags: Tags) -> None:
    """Reject rare encodings and those that Pillow decodes wrongly; add values left out."""
    for tag, (default, read) in _ENCODINGS.items():
        tags[tag] = (_get_single(tags, tag, default),)
        if tags[tag][0] not in read:
            raise prepared.rare_encoding("TIFF")
    photometric, samples = tags[Tiff.PHOTOMETRIC_INTERPRETATION][0], tags[Tiff.SAMPLESPERPIXEL][0]
    bits = tags.get(Tiff.BITSPERSAMPLE, (1,))
    if (
        Tiff.TILEWIDTH in tags
        or (samples > 1 and tags[Tiff.PLANAR_CONFIGURATION] != (1,))
        or set(tags.get(Tiff.SAMPLEFORMAT, (1,))) != {1}
        or len(set(bits)) != 1
        or bits[0] not in (1, 2, 4, 8, 16)
        # Pillow reads these without inverting them.
        or (photometric == _WHITE_IS_ZERO and bits[0] > 8)
    ):
        raise prepared.rare_encoding("TIFF")
    if photometric == _INDEXED and len(tags.get(Tiff.COLORMAP, ())) != 3 << bits[0]:
        raise prepared.damaged()
    tags[Tiff.BITSPERSAMPLE] = bits[:1] * samples


def _read_strips(data: bytes, tags: Tags, height: int, row_bytes: int) -> list[memoryview]:
    """Return the strips of the picture, which together are no longer than the file."""
    rows = min(_get_single(tags, Tiff.ROWSPERSTRIP, height), height)
    count = -(-height // rows) if rows else 0
    if not 1 <= count <= prepared.MAX_PARTS:
        raise prepared.damaged()
    tags[Tiff.ROWSPERSTRIP] = (rows,)
    offsets = tags.get(Tiff.STRIPOFFSETS, ())[:count]
    lengths = tags.get(Tiff.STRIPBYTECOUNTS, ())[:count]
    if tags[Tiff.COMPRESSION] == (_NO_COMPRESSION,):
        last_rows = height - rows * (count - 1)
        lengths = (rows * row_bytes,) * (count - 1) + (last_rows * row_bytes,)
    if len(offsets) != count or len(lengths) != count:
        raise prepared.damaged()
    if any(at + length > len(data) for at, length in zip(offsets, lengths, strict=True)):
        raise prepared.incomplete()
    if sum(lengths) > len(data):
        raise prepared.damaged()
    view = memoryview(data)
    strips = [view[at : at + length] for at, length in zip(offsets, lengths, strict=True)]
    if tags[Tiff.COMPRESSION] == (_NO_COMPRESSION,):
        # Joined into one strip, because Pillow takes a second for 50,000.
        tags[Tiff.ROWSPERSTRIP] = (height,)
        strips = [memoryview(b"".join(strips))]
    return strips


def _write_tiff(order: str, tags: Tags, strips: list[memoryview]) -> bytes:
    """Return a TIFF with one picture: header, tags, strips."""
    prefix = b"II" if order == "<" else b"MM"
    directory = Tiff.ImageFileDirectory_v2(prefix=prefix)
    for tag in _READ_TAGS & tags.keys() - {_SUBFILE_TYPE, Tiff.PLANAR_CONFIGURATION}:
        directory[tag] = tags[tag]
    lengths = [len(strip) for strip in strips]
    # Pillow adds the place where the directory ends.
    directory[Tiff.STRIPOFFSETS] = tuple(itertools.accumulate(lengths[:-1], initial=0))
    directory[Tiff.STRIPBYTECOUNTS] = tuple(lengths)
    header = struct.pack(order + "2sHI", prefix, 42, 8)
    return b"".join([header, directory.tobytes(len(header)), *strips])
