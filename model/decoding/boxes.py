"""The box structure of HEIC and AVIF files, checked before a decoder sees it.

Their decoders trust what they should not: that an item is stored once, that a
picture is made of a handful of tiles, that the coded picture is as large as the
file says. A few kilobytes that lie about these keep them busy for minutes or
fill gigabytes.
"""

import re
from collections.abc import Iterator

__all__ = ["BrokenBoxes", "CutBoxes", "Item", "coded_pixels", "picture_only"]

MAX_BOXES = 10_000
"""Boxes side by side, or items in one file; a phone's photo has about a hundred."""

MAX_TILES = 1024
"""Pictures that one picture is put together from; 50 megapixels have about 200."""

_METADATA = re.compile(rb"(infe(?:\x02.{7}|\x03.{9}))(?:Exif|mime)", re.DOTALL)


class BrokenBoxes(ValueError):
    """The boxes contradict each other."""


class CutBoxes(BrokenBoxes):
    """A box reaches beyond the end of the file."""


Item = tuple[bytes, bytes]
"""The type of a stored item, four characters, and its bytes."""


def picture_only(data: bytes) -> tuple[bytes, list[Item]]:
    """The file without metadata and films, and what its items hold.

    Raises:
        CutBoxes: the file ends within a box.
        BrokenBoxes: there is no picture, or more is referred to than can be meant.
    """
    edited = bytearray(data)
    items: list[Item] | None = None
    for name, start, end in _boxes(data, 0, len(data)):
        if name == b"moov":
            # Its first frame is also stored as a picture.
            at = data.rfind(b"moov", 0, start)
            edited[at : at + 4] = b"free"
        elif name == b"meta":
            if items is not None:
                raise BrokenBoxes
            items = _items(data, start + 4, end)
            # Decoders pass over items of a type that they don't know.
            edited[start:end] = _METADATA.sub(rb"\1free", data[start:end])
    if items is None:
        raise BrokenBoxes
    if data[8:12] == b"avis":
        edited[8:12] = b"avif"
    return bytes(edited), items


def coded_pixels(items: list[Item]) -> int:
    """Pixels of the largest picture that an AV1 item announces to its decoder."""
    return max((_sequence_pixels(body) for kind, body in items if kind == b"av01"), default=0)


def _boxes(data: bytes, at: int, limit: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box between ``at`` and ``limit``."""
    for _ in range(MAX_BOXES):
        if at == limit:
            return
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = size or limit - at
        if at + 8 > limit or at + size > limit:
            raise CutBoxes
        if size < header:
            raise BrokenBoxes
        yield data[at + 4 : at + 8], at + header, at + size
        at += size
    raise BrokenBoxes


class _Numbers:
    """Big-endian numbers one after another, never beyond the end."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def take(self, size: int) -> int:
        if self.at + size > self.end:
            raise BrokenBoxes
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big")


def _items(data: bytes, start: int, end: int) -> list[Item]:
    found: dict[bytes, tuple[int, int]] = {}
    for name, at, stop in _boxes(data, start, end):
        if name in found and name in (b"iloc", b"iinf", b"iref", b"idat"):
            raise BrokenBoxes
        found[name] = (at, stop)
    if b"iloc" not in found or b"iinf" not in found:
        raise BrokenBoxes
    if b"iref" in found:
        _check_tiles(data, *found[b"iref"])
    kinds = _kinds(data, *found[b"iinf"])
    bodies = _bodies(data, found[b"iloc"], found.get(b"idat", (0, 0)))
    return [(kinds.get(number, b""), body) for number, body in bodies]


def _kinds(data: bytes, at: int, end: int) -> dict[int, bytes]:
    """The type of each item by its number."""
    kinds = {}
    first = at + (6 if data[at : at + 1] == b"\0" else 8)
    for name, start, stop in _boxes(data, first, end):
        if name == b"infe" and stop - start >= 12:
            wide = 2 if data[start] < 3 else 4
            number = int.from_bytes(data[start + 4 : start + 4 + wide], "big")
            kinds[number] = data[start + 6 + wide : start + 10 + wide]
    return kinds


def _bodies(data: bytes, iloc: tuple[int, int], idat: tuple[int, int]) -> list[tuple[int, bytes]]:
    """Number and bytes of each item; all of them together are no longer than the file."""
    numbers = _Numbers(data, *iloc)
    version = numbers.take(4) >> 24
    sizes = numbers.take(2)
    offset_size, length_size, base_size, index_size = (
        sizes >> shift & 15 for shift in (12, 8, 4, 0)
    )
    wide = 4 if version == 2 else 2
    left = len(data)
    bodies = []
    for _ in range(min(numbers.take(wide), MAX_BOXES)):
        number = numbers.take(wide)
        method = numbers.take(2) & 15 if version else 0
        numbers.take(2)
        base = numbers.take(base_size) + (idat[0] if method == 1 else 0)
        parts = []
        for _ in range(numbers.take(2)):
            if version:
                numbers.take(index_size)
            start = base + numbers.take(offset_size)
            length = numbers.take(length_size) or len(data) - start
            left -= max(length, 1)
            if left < 0 or start + length > len(data):
                raise CutBoxes
            parts.append(data[start : start + length])
        bodies.append((number, b"".join(parts)))
    return bodies


def _check_tiles(data: bytes, at: int, end: int) -> None:
    """Refuse pictures of pictures of pictures that multiply beyond what can be meant."""
    wide = 2 if data[at : at + 1] == b"\0" else 4
    made_of: dict[int, list[int]] = {}
    for name, start, stop in _boxes(data, at + 4, end):
        if name == b"dimg":
            numbers = _Numbers(data, start, stop)
            number = numbers.take(wide)
            parts = [numbers.take(wide) for _ in range(numbers.take(2))]
            made_of.setdefault(number, []).extend(parts)
    counts: dict[int, int] = {}
    for number in made_of:
        _count(number, made_of, counts, 8)


def _count(number: int, made_of: dict[int, list[int]], counts: dict[int, int], depth: int) -> int:
    """Pictures to decode for one; nesting of more than ``depth`` is a circle or a trap."""
    if number not in counts:
        if depth == 0:
            raise BrokenBoxes
        parts = made_of.get(number, [])
        counts[number] = sum(_count(part, made_of, counts, depth - 1) for part in parts) or 1
        if counts[number] > MAX_TILES:
            raise BrokenBoxes
    return counts[number]


# AV1


class _Bits:
    """Bits one after another, from the highest; beyond the end they are zero."""

    def __init__(self, data: bytes) -> None:
        self.bits = int.from_bytes(data, "big")
        self.left = 8 * len(data)

    def take(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise BrokenBoxes
        return self.bits >> self.left & ((1 << count) - 1)


def _sequence_pixels(item: bytes) -> int:
    """Pixels that the sequence headers of an AV1 item announce, at most."""
    at = 0
    most = 0
    for _ in range(MAX_BOXES):
        if at >= len(item):
            return most
        head = item[at]
        at += 2 if head & 4 else 1
        size = len(item) - at
        if head & 2:
            size, at = _leb128(item, at)
        if head >> 3 & 15 == 1:
            most = max(most, _sequence_header(item[at : at + min(size, 256)]))
        at += size
    raise BrokenBoxes


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, at + index + 1
    raise BrokenBoxes


def _sequence_header(data: bytes) -> int:
    """Largest width times largest height, section 5.5.1 of the AV1 specification."""
    bits = _Bits(data)
    bits.take(4)
    if bits.take(1):
        bits.take(5)
    else:
        delay = _timing(bits)
        shown = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delay and bits.take(1):
                bits.take(2 * delay + 1)
            if shown and bits.take(1):
                bits.take(4)
    wide, tall = bits.take(4) + 1, bits.take(4) + 1
    return (bits.take(wide) + 1) * (bits.take(tall) + 1)


def _timing(bits: _Bits) -> int:
    """Pass over the timing; bits of a buffer delay, 0 without a decoder model."""
    if not bits.take(1):
        return 0
    bits.take(64)
    if bits.take(1):
        zeros = 0
        while not bits.take(1):
            zeros += 1
        bits.take(zeros)
    if not bits.take(1):
        return 0
    delay = bits.take(5) + 1
    bits.take(42)
    return delay
