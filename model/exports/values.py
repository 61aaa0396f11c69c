"""Placeholders that stand for objects while a pickle is followed, and what is noted of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["UNKNOWN", "Carried", "Code", "Global", "Made", "Seen", "Stored", "Trace", "Unknown"]

Value = Any
"""None, bool, int, str, bytes, tuple, list, dict with text as keys, or one of these classes."""


class Unknown:
    """A value that nothing depends on: a float, an object that cannot be followed."""

    __slots__ = ()


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Global:
    """What a module holds under a name; with an empty name the module itself."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Made:
    """The result of a call: ``maker(*args)``, and the state it was given after."""

    maker: Value
    args: Value = ()
    state: Value = None


@dataclass(slots=True, eq=False)
class Carried:
    """A function or class whose code is in the file, as cloudpickle writes it."""

    kind: Literal["function", "class"]
    module: str
    name: str
    called: bool = False
    network: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor's numbers, which torch keeps outside of the pickle."""

    key: str


@dataclass(frozen=True, slots=True)
class Code:
    """Compiled Python: how many arguments made it, its bytecode, ``co_names``."""

    arguments: int
    name: str
    bytecode: bytes
    names: tuple[str, ...]


@dataclass(slots=True)
class Seen:
    """What was done with a global: called, handed on; ``network`` if it has layers."""

    called: bool = False
    network: bool = False
    alarm: bool = False


@dataclass(slots=True)
class Trace:
    """What following the pickles of one file brought to light.

    ``storages`` are bytes of weights by their key, ``alarms`` what no export does.
    ``broken`` says where a pickle ended that is not whole, ``limit`` which limit was met.
    """

    follow_nested: Callable[[bytes, "Trace"], object]
    """Reads a pickle inside a pickle."""
    globals: dict[Global, Seen] = field(default_factory=dict)
    carried: list[Carried] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    storages: dict[str, int] = field(default_factory=dict)
    devices: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    alarms: dict[str, None] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    roots: list[Value] = field(default_factory=list)
    protocol: int = 0
    instructions: int = 0
    nested: int = 0
    depth: int = 0
    began: float = field(default_factory=time.monotonic)
    broken: str = ""
    limit: str = ""

    def see(self, found: Global) -> Seen:
        """The notes on a global, begun if there are none."""
        return self.globals.setdefault(found, Seen())

    def alarm(self, message: str) -> None:
        """Note what no export does."""
        if len(self.alarms) < 100:
            self.alarms[message] = None
