"""AV1: the size of the picture that the item of an AVIF announces.

Source: AV1 Bitstream and Decoding Process Specification, sections 5.3 to 5.5.
"""

from .prepared import NumberReader, damaged

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
