"""A pickle's instructions, followed with placeholders: its stack, its memo, its calls.

It keeps to Python's own unpickler (Lib/pickle.py) instruction by instruction, because a
name may be put together from texts that were remembered long before. Nothing is called:
a call leaves a ``Made`` behind. What cannot be followed ends the reading, and is said.
"""

import time
from collections.abc import Callable
from typing import Any

from .arguments import CONSTANTS, NUMBERS, TEXTS, number
from .machine import Machine
from .opcodes import Broken, instructions
from .values import UNKNOWN, Made, Trace, Value

__all__ = ["LEGACY_PICKLES", "MAX_INSTRUCTIONS", "follow", "follow_row"]

MAGIC = 0x1950A86A20F9469CFC6C
"""The number that torch's older format begins with, as a pickle."""

LEGACY_PICKLES = 5
"""Magic number, protocol, machine, the object, the keys of its weights."""

MAX_PICKLES = 16
"""Pickles in a row that are read in a file that is not torch's."""

MAX_INSTRUCTIONS = 1_000_000
"""Of all pickles of a file; an export of a large network has some hundred thousand."""

MAX_SECONDS = 5.0

MAX_GLOBALS = 20_000


def follow(data: bytes, trace: Trace, start: int = 0) -> int:
    """Follow one pickle and note what it does in ``trace``.

    Returns:
        Where the pickle ends. ``trace.broken`` or ``trace.limit`` is set if it did not end well.
    """
    machine = Machine(trace)
    at = start
    try:
        for name, argument, at in instructions(data, start):
            trace.instructions += 1
            if trace.instructions > MAX_INSTRUCTIONS or len(trace.globals) > MAX_GLOBALS:
                trace.limit = f"it has more than {MAX_INSTRUCTIONS:,} instructions"
                return at
            if not trace.instructions % 1024 and time.monotonic() - trace.began > MAX_SECONDS:
                trace.limit = f"reading it takes more than {MAX_SECONDS:.0f} seconds"
                return at
            _step(machine, name, argument)
    except Broken as error:
        trace.broken = str(error)
    except (IndexError, KeyError, TypeError, ValueError):
        trace.broken = f"the instruction before byte {at:,} makes no sense"
    return at


def follow_row(data: bytes, trace: Trace) -> tuple[int, bool]:
    """Follow pickles in a row: torch's older format, or one and whatever comes behind it.

    Returns:
        Where they end, and whether they are of torch's older format.
    """
    first = len(trace.roots)
    at = follow(data, trace)
    legacy = trace.roots[first : first + 1] == [MAGIC]
    for _ in range((LEGACY_PICKLES if legacy else MAX_PICKLES) - 1):
        if trace.broken or trace.limit or at >= len(data):
            break
        at = follow(data, trace, at)
    if not legacy and len(trace.roots) > first:
        trace.broken = ""  # what comes behind a whole pickle may be anything
    return at, legacy


def _step(machine: Machine, name: str, argument: bytes) -> None:
    """Follow one instruction.

    Raises:
        IndexError, KeyError, TypeError, ValueError: the unpickler would stop, too.
    """
    if name in CONSTANTS:
        machine.stack.append(CONSTANTS[name])
    elif name in NUMBERS:
        machine.stack.append(number(argument, NUMBERS[name]))
    elif name in TEXTS:
        machine.text(TEXTS[name](argument))
    else:
        STEPS[name](machine, argument)


def _table(items: list[Value]) -> dict[str, Value]:
    """Pairs → a dict of those whose keys are texts, or numbers, that stand for texts."""
    if len(items) % 2:
        raise ValueError(len(items))
    return {
        key if isinstance(key, str) else str(key): value
        for key, value in zip(items[::2], items[1::2], strict=True)
        if isinstance(key, str | int)
    }


Step = Callable[[Machine, bytes], Any]


def _names(argument: bytes) -> list[str]:
    return argument.decode("utf-8", "backslashreplace").split("\n", 1)


def _pop(machine: Machine, _: bytes) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.marked()


def _mark(machine: Machine, _: bytes) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _tuple(machine: Machine, count: int) -> None:
    if len(machine.stack) < count:
        raise IndexError
    items = tuple(machine.stack[-count:])
    machine.held(*items)
    machine.stack[-count:] = [items]


def _collect(kind: Callable[[list[Value]], Value]) -> Step:
    def step(machine: Machine, _: bytes) -> None:
        items = machine.marked()
        machine.held(*items)
        machine.stack.append(kind(items))

    return step


def _append(machine: Machine, items: list[Value]) -> None:
    machine.held(*items)
    target = machine.stack[-1]
    if isinstance(target, list):
        target.extend(items)


def _set(machine: Machine, items: list[Value]) -> None:
    machine.held(*items)
    target = machine.stack[-1]
    if isinstance(target, Made):
        if not isinstance(target.state, dict):
            target.state = {}
        target = target.state
    if isinstance(target, dict):
        target.update(_table(items))


def _two(machine: Machine) -> list[Value]:
    value, key = machine.stack.pop(), machine.stack.pop()
    return [key, value]


def _put(machine: Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def _new(machine: Machine, arguments: int) -> None:
    if arguments == 2:
        machine.held(machine.stack.pop())
    args = machine.stack.pop()
    machine.call(machine.stack.pop(), args)


def _inst(machine: Machine, argument: bytes) -> None:
    args = tuple(machine.marked())
    machine.look_up(*_names(argument))
    machine.call(machine.stack.pop(), args)


def _obj(machine: Machine, _: bytes) -> None:
    maker, *args = machine.marked()
    machine.call(maker, tuple(args))


def _stack_global(machine: Machine, _: bytes) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.look_up(module, name)


def _extension(machine: Machine, argument: bytes) -> None:
    machine.look_up("copyreg.extension", str(int.from_bytes(argument, "little")))


def _protocol(machine: Machine, argument: bytes) -> None:
    if argument[0] > 5:
        raise ValueError(argument)
    machine.trace.protocol = max(machine.trace.protocol, argument[0])


def _unsigned(argument: bytes) -> int:
    return int.from_bytes(argument, "little")


def _index(argument: bytes) -> int:
    return int(argument[:40])


STEPS: dict[str, Step] = {
    "PROTO": _protocol,
    "FRAME": lambda *_: None,
    "READONLY_BUFFER": lambda *_: None,
    "STOP": lambda machine, _: machine.trace.roots.append(machine.stack.pop()),
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": lambda machine, _: machine.marked(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_SET": lambda machine, _: machine.stack.append([]),
    "LIST": _collect(list),
    "TUPLE": _collect(tuple),
    "DICT": _collect(_table),
    "FROZENSET": _collect(list),
    "TUPLE1": lambda machine, _: _tuple(machine, 1),
    "TUPLE2": lambda machine, _: _tuple(machine, 2),
    "TUPLE3": lambda machine, _: _tuple(machine, 3),
    "APPEND": lambda machine, _: _append(machine, [machine.stack.pop()]),
    "APPENDS": lambda machine, _: _append(machine, machine.marked()),
    "ADDITEMS": lambda machine, _: _append(machine, machine.marked()),
    "SETITEM": lambda machine, _: _set(machine, _two(machine)),
    "SETITEMS": lambda machine, _: _set(machine, machine.marked()),
    "PUT": lambda machine, argument: _put(machine, _index(argument)),
    "BINPUT": lambda machine, argument: _put(machine, _unsigned(argument)),
    "LONG_BINPUT": lambda machine, argument: _put(machine, _unsigned(argument)),
    "MEMOIZE": lambda machine, _: _put(machine, len(machine.memo)),
    "GET": lambda machine, argument: machine.stack.append(machine.memo[_index(argument)]),
    "BINGET": lambda machine, argument: machine.stack.append(machine.memo[_unsigned(argument)]),
    "LONG_BINGET": lambda machine, argument: machine.stack.append(
        machine.memo[_unsigned(argument)]
    ),
    "GLOBAL": lambda machine, argument: machine.look_up(*_names(argument)),
    "STACK_GLOBAL": _stack_global,
    "INST": _inst,
    "OBJ": _obj,
    "EXT1": _extension,
    "EXT2": _extension,
    "EXT4": _extension,
    "REDUCE": lambda machine, _: _new(machine, 1),
    "NEWOBJ": lambda machine, _: _new(machine, 1),
    "NEWOBJ_EX": lambda machine, _: _new(machine, 2),
    "BUILD": lambda machine, _: machine.build(),
    "PERSID": lambda machine, argument: machine.persistent(UNKNOWN),
    "BINPERSID": lambda machine, _: machine.persistent(machine.stack.pop()),
}
"""What each instruction does; those that push a plain value stand in the tables above."""
