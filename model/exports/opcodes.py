"""Bytes → a pickle's instructions, cut exactly where Python's unpickler cuts them.

``pickletools.genops`` is stricter and laxer than the unpickler in places (it decodes
escapes in names, and gives up on names that are not ASCII), and a reader that stops
earlier than the unpickler can be fooled. So only its table of opcodes is used here.
"""

import pickletools
from collections.abc import Iterator

__all__ = ["Broken", "Instruction", "instructions"]

Instruction = tuple[str, bytes, int]
"""Name of the opcode, its argument's bytes (a line without its end), where the next begins."""

MAX_ARGUMENT = 2**20
"""Bytes of an argument that are kept; the rest is stepped over."""

TABLE = {
    ord(opcode.code): (opcode.name, opcode.arg.n if opcode.arg else 0)
    for opcode in pickletools.opcodes
}

LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
"""Bytes of the length that stands before an argument."""

TWO_LINES = {"GLOBAL", "INST"}


class Broken(Exception):
    """Not an instruction, or cut short; ``str()`` says where."""


def instructions(data: bytes, start: int = 0) -> Iterator[Instruction]:
    """The instructions from ``start`` to the first STOP, that one included.

    Raises:
        Broken: an unknown opcode, or the bytes end before STOP.
    """
    at = start
    while True:
        if at >= len(data):
            raise Broken(f"the file ends at byte {at:,}, before the pickle does")
        if data[at] not in TABLE:
            raise Broken(f"byte {at:,} is not a pickle's instruction")
        name, size = TABLE[data[at]]
        argument, at = _argument(data, at + 1, name, size)
        yield name, argument, at
        if name == "STOP":
            return


def _argument(data: bytes, at: int, name: str, size: int) -> tuple[bytes, int]:
    if size == pickletools.UP_TO_NEWLINE:
        end = _line(data, at)
        if name in TWO_LINES:
            end = _line(data, end)
        return data[at : min(end - 1, at + MAX_ARGUMENT)], end
    if size < 0:
        width = LENGTHS[size]
        size = int.from_bytes(data[at : at + width], "little")
        at += width
    if at + size > len(data):
        raise Broken(f"the file ends inside the instruction {name} at byte {at:,}")
    return data[at : at + min(size, MAX_ARGUMENT)], at + size


def _line(data: bytes, at: int) -> int:
    """Where the line after the one at ``at`` begins."""
    end = data.find(b"\n", at)
    if end < 0:
        raise Broken(f"the file ends inside a line at byte {at:,}")
    return end + 1
