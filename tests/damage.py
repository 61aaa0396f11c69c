"""Hypothesis strategies that damage valid files, for tests of readers of hostile ones."""

from collections.abc import Collection

from hypothesis import strategies as st

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 2**15, 2**31 - 1, 2**32 - 1)
"""Values at which lengths, counts and offsets go wrong."""

HEADER_BYTES = 400


@st.composite
def damaged(
    draw: st.DrawFn, files: Collection[bytes], instructions: bytes = bytes(range(256))
) -> bytes:
    """Return one of ``files`` with bytes changed, cut, doubled, or taken from another file.

    Half of the places are among the first 400 bytes, where formats keep their structure.
    ``instructions`` are bytes that mean something to the reader, such as opcodes.
    """
    valid = st.sampled_from(sorted(files))
    data = bytearray(draw(valid))
    for _ in range(draw(st.sampled_from((1, 1, 2, 5)))):
        last = len(data) - 1
        at = draw(st.integers(0, last) | st.integers(0, min(last, HEADER_BYTES)))
        length = draw(st.sampled_from((1, 2, 8, 100)))
        match draw(st.integers(0, 7)):
            case 0:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                data[at] = draw(st.sampled_from(instructions))
            case 2:
                del data[max(at, 1) :]
            case 3:
                del data[at : at + length]
                data = data or bytearray(1)
            case 4:
                data[at:at] = data[at : at + length]
            case 5:
                size = draw(st.sampled_from((2, 4)))
                number = draw(st.sampled_from(NUMBERS)) % 256**size
                data[at : at + size] = number.to_bytes(
                    size, draw(st.sampled_from(("big", "little")))
                )
            case 6:
                other = draw(valid)
                start = draw(st.integers(0, len(other) - 1))
                data[at:at] = other[start : start + 4 * length]
            case _:
                data[at:] = draw(st.binary(min_size=1, max_size=length))
    return bytes(data)
