"""How large a picture an AV1 item announces to its decoder."""

__all__ = ["BrokenItem", "sequence_pixels"]

MAX_UNITS = 10_000
"""Units of one coded picture; one or two dozen are usual."""


class BrokenItem(ValueError):
    """The item ends too early or contradicts itself."""


class _Bits:
    """Bits one after another, from the highest."""

    def __init__(self, data: bytes) -> None:
        self.bits = int.from_bytes(data, "big")
        self.left = 8 * len(data)

    def take(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise BrokenItem
        return self.bits >> self.left & ((1 << count) - 1)


def sequence_pixels(item: bytes) -> int:
    """Pixels that the sequence headers of an AV1 item announce, at most."""
    at = 0
    most = 0
    for _ in range(MAX_UNITS):
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
    raise BrokenItem


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, at + index + 1
    raise BrokenItem


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
