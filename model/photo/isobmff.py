"""The box structure of HEIC and AVIF files, checked before a decoder sees it.

Decoders assume that an item is stored once, that a picture has a handful of tiles,
and that the coded picture is as large as the file says. A few kilobytes that break
these assumptions keep a decoder busy for minutes or fill gigabytes.

Source of AV1: AV1 Bitstream and Decoding Process Specification, sections 5.3 to 5.5.
"""

import re
from collections.abc import Iterator

from .prepared import NumberReader, PreparedImage, damaged, incomplete

MAX_UNITS = 10_000
"""Most units (OBUs) of one picture; one or two dozen are usual."""

MAX_HEADER_BYTES = 256
"""Bytes of a sequence header that are read; about 15 are usual."""

SEQUENCE_HEADER = 1


def announced_pixels(item: bytes) -> int:
    """Return the most pixels that a sequence header of an item announces.

    Raises:
        DamagedPhoto: a header is incomplete, or there are too many units.
    """
    reader = NumberReader(item)
    largest = 0
    for _ in range(MAX_UNITS):
        if reader.at >= reader.end:
            return largest
        head = reader.take(1)
        if head & 4:
            reader.take(1)
        size = _leb128(reader) if head & 2 else len(item)
        if head >> 3 & 15 == SEQUENCE_HEADER:
            start = reader.at // 8
            end = min(start + min(size, MAX_HEADER_BYTES), len(item))
            largest = max(largest, _header_pixels(NumberReader(item, start, end)))
        reader.at += 8 * size
    raise damaged()


def _leb128(reader: NumberReader) -> int:
    """Return a number in the LEB128 encoding."""
    value = 0
    for index in range(8):
        byte = reader.take(1)
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value
    raise damaged()


def _header_pixels(reader: NumberReader) -> int:
    """Return maximum width times maximum height."""
    reader.bits(4)
    if reader.bits(1):
        reader.bits(5)
    else:
        delay_bits = _skip_timing(reader)
        initial_display_delay = reader.bits(1)
        for _ in range(reader.bits(5) + 1):
            reader.bits(12)
            if reader.bits(5) > 7:
                reader.bits(1)
            if delay_bits and reader.bits(1):
                reader.bits(2 * delay_bits + 1)
            if initial_display_delay and reader.bits(1):
                reader.bits(4)
    width_bits, height_bits = reader.bits(4) + 1, reader.bits(4) + 1
    return (reader.bits(width_bits) + 1) * (reader.bits(height_bits) + 1)


def _skip_timing(reader: NumberReader) -> int:
    """Skip the timing; return the bits of a buffer delay, 0 without a decoder model."""
    if not reader.bits(1):
        return 0
    reader.bits(64)
    if reader.bits(1):
        zeros = 0
        while not reader.bits(1):
            zeros += 1
        reader.bits(zeros)
    if not reader.bits(1):
        return 0
    delay_bits = reader.bits(5) + 1
    reader.bits(42)
    return delay_bits


MAX_BOXES = 10_000
"""Most boxes side by side, or items in one file; a phone's photo has about a hundred."""

MAX_TILES = 1000
"""Most tiles of one picture; 64 megapixels have about 250."""

MAX_DEPTH = 8
"""Most levels of pictures within pictures; more is a cycle or an attack."""

_METADATA = re.compile(rb"(infe(?:\x02.{7}|\x03.{9}))(?:Exif|mime)", re.DOTALL)

_STILL_BRANDS = {
    b"avis": b"avif",
    b"msf1": b"mif1",
    b"hevc": b"heic",
    b"hevx": b"heix",
    b"hevm": b"heim",
    b"hevs": b"heis",
}
"""The brand of a still picture for each brand of an image sequence."""

_UNIQUE_BOXES = frozenset({b"iloc", b"iinf", b"iref", b"idat", b"iprp", b"pitm"})

Span = tuple[int, int]
"""Start and end of a box's content in the file."""

References = dict[int, list[int]]
"""For each item, the numbers of the items that it refers to."""


def prepare_isobmff(data: bytes, format: str) -> PreparedImage:
    """Return a HEIC or AVIF without metadata and image sequences.

    Raises:
        DamagedPhoto: incomplete, contradictory, or made to keep a decoder busy.
    """
    edited = bytearray(data)
    coded_pixels: int | None = None
    for name, start, end in _boxes(data, 0, len(data)):
        if name == b"ftyp":
            # The sequence is dropped below, so the brand must be that of a still picture.
            for at in range(start, end - 3, 4):
                edited[at : at + 4] = _STILL_BRANDS.get(data[at : at + 4], data[at : at + 4])
        elif name == b"moov":
            # The first frame of a sequence is also stored as a still picture.
            at = data.rfind(b"moov", 0, start)
            edited[at : at + 4] = b"free"
        elif name == b"meta":
            if coded_pixels is not None:
                raise damaged()
            coded_pixels = _coded_pixels(data, start + 4, end)
            # Decoders skip items and references of unknown types. pi_heif crashes if the
            # metadata of a picture has an unexpected type.
            meta = _METADATA.sub(rb"\1free", data[start:end])
            edited[start:end] = meta.replace(b"cdsc", b"free")
    if coded_pixels is None:
        raise damaged()
    return PreparedImage(format, bytes(edited), coded_pixels=coded_pixels)


def _boxes(data: bytes, at: int, limit: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each box between ``at`` and ``limit``."""
    for _ in range(MAX_BOXES):
        if at == limit:
            return
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = size or limit - at
        if at + 8 > limit or at + size > limit:
            raise incomplete()
        if size < header:
            raise damaged()
        yield data[at + 4 : at + 8], at + header, at + size
        at += size
    raise damaged()


def _coded_pixels(data: bytes, start: int, end: int) -> int:
    """Return how many pixels are decoded for the picture that a ``meta`` box describes."""
    spans: dict[bytes, Span] = {}
    for name, at, stop in _boxes(data, start, end):
        if name in spans and name in _UNIQUE_BOXES:
            raise damaged()
        spans[name] = (at, stop)
    if not spans.keys() >= {b"iloc", b"iinf", b"iprp", b"pitm"}:
        raise damaged()
    types = _item_types(data, *spans[b"iinf"])
    items = _items(data, spans[b"iloc"], spans.get(b"idat", (0, 0)))
    announced = [announced_pixels(item) for number, item in items if types.get(number) == b"av01"]
    pixels = _item_pixels(data, *spans[b"iprp"])
    return max([_tiled_pixels(data, spans, pixels), *announced])


def _item_types(data: bytes, at: int, end: int) -> dict[int, bytes]:
    """Return the type of each item by its number."""
    types = {}
    first = at + (6 if data[at : at + 1] == b"\0" else 8)
    for name, start, stop in _boxes(data, first, end):
        if name == b"infe" and stop - start >= 12:
            width = 2 if data[start] < 3 else 4
            number = int.from_bytes(data[start + 4 : start + 4 + width], "big")
            types[number] = data[start + 6 + width : start + 10 + width]
            if not types[number].isascii():
                raise damaged()
    return types


def _items(data: bytes, iloc: Span, idat: Span) -> list[tuple[int, bytes]]:
    """Return number and bytes of each item; together they are no longer than the file."""
    numbers = NumberReader(data, *iloc)
    version = numbers.take(4) >> 24
    sizes = numbers.take(2)
    offset_size, length_size, base_size, index_size = (
        sizes >> shift & 15 for shift in (12, 8, 4, 0)
    )
    number_size = 4 if version == 2 else 2
    remaining = len(data)
    items = []
    for _ in range(min(numbers.take(number_size), MAX_BOXES)):
        number = numbers.take(number_size)
        method = numbers.take(2) & 15 if version else 0
        numbers.take(2)
        base = numbers.take(base_size) + (idat[0] if method == 1 else 0)
        extents = []
        for _ in range(numbers.take(2)):
            if version:
                numbers.take(index_size)
            start = base + numbers.take(offset_size)
            length = numbers.take(length_size) or len(data) - start
            remaining -= max(length, 1)
            if remaining < 0 or start + length > len(data):
                raise incomplete()
            extents.append(data[start : start + length])
        items.append((number, b"".join(extents)))
    return items


def _item_pixels(data: bytes, at: int, end: int) -> dict[int, int]:
    """Return the number of pixels of each item, by item number, as its properties state."""
    properties: dict[int, int] = {}
    pixels: dict[int, int] = {}
    for name, start, stop in _boxes(data, at, end):
        if name == b"ipco":
            for index, (kind, first, last) in enumerate(_boxes(data, start, stop), 1):
                if kind == b"ispe":
                    numbers = NumberReader(data, first + 4, last)
                    properties[index] = numbers.take(4) * numbers.take(4)
        elif name == b"ipma":
            numbers = NumberReader(data, start, stop)
            head = numbers.take(4)
            for _ in range(min(numbers.take(4), MAX_BOXES)):
                number = numbers.take(4 if head >> 24 else 2)
                for _ in range(numbers.take(1)):
                    index = numbers.take(2) & 0x7FFF if head & 1 else numbers.take(1) & 0x7F
                    pixels[number] = max(pixels.get(number, 0), properties.get(index, 0))
    return pixels


def _tiled_pixels(data: bytes, spans: dict[bytes, Span], pixels: dict[int, int]) -> int:
    """Return the pixels in all tiles of the main picture or of its transparency, the larger."""
    at, end = spans[b"pitm"]
    main = NumberReader(data, at + 4, end).take(4 if data[at] else 2)
    tiles_of, layers_of = _references(data, *spans[b"iref"]) if b"iref" in spans else ({}, {})
    counted: dict[int, tuple[int, int]] = {}

    def count(number: int, depth: int) -> tuple[int, int]:
        """Return how many pictures and pixels are decoded for an item, its tiles included."""
        if number not in counted:
            if depth == 0:
                raise damaged()
            tiles = [count(tile, depth - 1) for tile in tiles_of.get(number, [])]
            pictures = sum(tile[0] for tile in tiles) or 1
            if pictures > MAX_TILES:
                raise damaged()
            own = pixels.get(number, 0)
            counted[number] = pictures, sum(tile[1] for tile in tiles) if tiles else own
        return counted[number]

    roots = [main, *(layer for layer, pictures in layers_of.items() if main in pictures)]
    return max(count(root, MAX_DEPTH)[1] for root in roots)


def _references(data: bytes, at: int, end: int) -> tuple[References, References]:
    """Return the tiles of each picture, and the pictures that each layer belongs to."""
    number_size = 4 if data[at] else 2
    tiles_of: References = {}
    layers_of: References = {}
    for name, start, stop in _boxes(data, at + 4, end):
        references = {b"dimg": tiles_of, b"auxl": layers_of}.get(name)
        if references is not None:
            numbers = NumberReader(data, start, stop)
            number = numbers.take(number_size)
            targets = [numbers.take(number_size) for _ in range(numbers.take(2))]
            references.setdefault(number, []).extend(targets)
    return tiles_of, layers_of
