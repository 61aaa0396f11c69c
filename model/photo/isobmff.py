"""The box structure of HEIC and AVIF files, checked before a decoder sees it.

Their decoders trust what they should not: that an item is stored once, that a
picture is made of a handful of tiles, that the coded picture is as large as the
file says. A few kilobytes that lie about these keep them busy for minutes or
fill gigabytes.
"""

import re
from collections.abc import Iterator

from .av1 import sequence_pixels

__all__ = ["BrokenBoxes", "CutBoxes", "picture_only"]

MAX_BOXES = 10_000
"""Boxes side by side, or items in one file; a phone's photo has about a hundred."""

MAX_TILES = 1000
"""Pictures that one picture is put together from; 50 megapixels have about 200."""

_METADATA = re.compile(rb"(infe(?:\x02.{7}|\x03.{9}))(?:Exif|mime)", re.DOTALL)


_STILL = {
    b"avis": b"avif",
    b"msf1": b"mif1",
    b"hevc": b"heic",
    b"hevx": b"heix",
    b"hevm": b"heim",
    b"hevs": b"heis",
}


class BrokenBoxes(ValueError):
    """The boxes contradict each other."""


class CutBoxes(BrokenBoxes):
    """A box reaches beyond the end of the file."""


def picture_only(data: bytes) -> tuple[bytes, int]:
    """The file without metadata and films, and the pixels that decoding its picture visits.

    Raises:
        CutBoxes: the file ends within a box.
        BrokenBoxes: there is no picture, or more is referred to than can be meant.
    """
    edited = bytearray(data)
    coded: int | None = None
    for name, start, end in _boxes(data, 0, len(data)):
        if name == b"ftyp":
            # Without its film, the file is no film: a brand that says so would be believed.
            for at in range(start, end - 3, 4):
                edited[at : at + 4] = _STILL.get(data[at : at + 4], data[at : at + 4])
        elif name == b"moov":
            # Its first frame is also stored as a picture.
            at = data.rfind(b"moov", 0, start)
            edited[at : at + 4] = b"free"
        elif name == b"meta":
            if coded is not None:
                raise BrokenBoxes
            coded = _coded(data, start + 4, end)
            # Decoders pass over items and references of a type that they don't know.
            # pi_heif crashes where metadata that describes a picture has a strange type.
            meta = _METADATA.sub(rb"\1free", data[start:end])
            edited[start:end] = meta.replace(b"cdsc", b"free")
    if coded is None:
        raise BrokenBoxes
    return bytes(edited), coded


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


def _coded(data: bytes, start: int, end: int) -> int:
    """Pixels that are decoded for the picture that a ``meta`` box describes."""
    found: dict[bytes, tuple[int, int]] = {}
    for name, at, stop in _boxes(data, start, end):
        if name in found and name in _PARTS:
            raise BrokenBoxes
        found[name] = (at, stop)
    if not found.keys() >= {b"iloc", b"iinf", b"iprp", b"pitm"}:
        raise BrokenBoxes
    kinds = _kinds(data, *found[b"iinf"])
    bodies = _bodies(data, found[b"iloc"], found.get(b"idat", (0, 0)))
    announced = [sequence_pixels(body) for number, body in bodies if kinds.get(number) == b"av01"]
    sizes = _sizes(data, *found[b"iprp"])
    return max([_tiled(data, found, sizes), *announced])


_PARTS = frozenset({b"iloc", b"iinf", b"iref", b"idat", b"iprp", b"pitm"})


def _kinds(data: bytes, at: int, end: int) -> dict[int, bytes]:
    """The type of each item by its number."""
    kinds = {}
    first = at + (6 if data[at : at + 1] == b"\0" else 8)
    for name, start, stop in _boxes(data, first, end):
        if name == b"infe" and stop - start >= 12:
            wide = 2 if data[start] < 3 else 4
            number = int.from_bytes(data[start + 4 : start + 4 + wide], "big")
            kinds[number] = data[start + 6 + wide : start + 10 + wide]
            if not kinds[number].isascii():
                raise BrokenBoxes
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


def _sizes(data: bytes, at: int, end: int) -> dict[int, int]:
    """Pixels of each item by its number, as its properties say."""
    pixels: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for name, start, stop in _boxes(data, at, end):
        if name == b"ipco":
            for index, (kind, first, last) in enumerate(_boxes(data, start, stop), 1):
                if kind == b"ispe":
                    numbers = _Numbers(data, first + 4, last)
                    pixels[index] = numbers.take(4) * numbers.take(4)
        elif name == b"ipma":
            numbers = _Numbers(data, start, stop)
            head = numbers.take(4)
            for _ in range(min(numbers.take(4), MAX_BOXES)):
                number = numbers.take(4 if head >> 24 else 2)
                for _ in range(numbers.take(1)):
                    index = numbers.take(2) & 0x7FFF if head & 1 else numbers.take(1) & 0x7F
                    sizes[number] = max(sizes.get(number, 0), pixels.get(index, 0))
    return sizes


def _tiled(data: bytes, found: dict[bytes, tuple[int, int]], sizes: dict[int, int]) -> int:
    """Pixels of all the pictures that the main picture, or its transparency, is made of."""
    at, end = found[b"pitm"]
    main = _Numbers(data, at + 4, end).take(4 if data[at] else 2)
    made_of, layers = _references(data, *found[b"iref"]) if b"iref" in found else ({}, {})
    tiles = _Tiles(made_of, sizes)
    roots = [main, *(layer for layer, of in layers.items() if main in of)]
    return max(tiles.count(root, 8)[1] for root in roots)


References = dict[int, list[int]]
"""The numbers of the items that each item refers to."""


def _references(data: bytes, at: int, end: int) -> tuple[References, References]:
    """What pictures are made of, and what they are layers of."""
    wide = 4 if data[at] else 2
    made_of: References = {}
    layers: References = {}
    for name, start, stop in _boxes(data, at + 4, end):
        target = {b"dimg": made_of, b"auxl": layers}.get(name)
        if target is not None:
            numbers = _Numbers(data, start, stop)
            number = numbers.take(wide)
            others = [numbers.take(wide) for _ in range(numbers.take(2))]
            target.setdefault(number, []).extend(others)
    return made_of, layers


class _Tiles:
    """Counts what is decoded for a picture made of pictures made of pictures."""

    def __init__(self, made_of: References, sizes: dict[int, int]) -> None:
        self.made_of, self.sizes = made_of, sizes
        self.known: dict[int, tuple[int, int]] = {}

    def count(self, number: int, depth: int) -> tuple[int, int]:
        """Pictures and pixels; nesting of more than ``depth`` is a circle or a trap."""
        if number not in self.known:
            if depth == 0:
                raise BrokenBoxes
            parts = [self.count(part, depth - 1) for part in self.made_of.get(number, [])]
            pictures = sum(part[0] for part in parts) or 1
            pixels = sum(part[1] for part in parts) if parts else self.sizes.get(number, 0)
            if pictures > MAX_TILES:
                raise BrokenBoxes
            self.known[number] = pictures, pixels
        return self.known[number]
