"""Contents of an unpickled file beside its objects: texts, compiled code, functions by value."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from .placeholders import Called, Placeholder, PlaceholderType

__all__ = ["Carried", "Code", "Contents", "list_contents"]

MAX_OBJECTS = 3_000_000
MAX_KEPT = 20_000
"""Texts, and functions, that are kept."""

CODE_TYPE = "types.CodeType"
MAKE_FUNCTION = "_make_function"


@dataclass(frozen=True, slots=True)
class Code:
    """Compiled Python: how many arguments made it, its bytecode, the names that it uses."""

    arguments: int
    name: str
    bytecode: bytes
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Carried:
    """A function whose code is in the file, and its module."""

    module: str
    name: str


@dataclass(slots=True)
class Contents:
    """Texts, code and functions of a file; classes are among the reading's names."""

    texts: set[str] = field(default_factory=set)
    codes: list[Code] = field(default_factory=list)
    functions: list[Carried] = field(default_factory=list)
    classes: list[PlaceholderType] = field(default_factory=list)
    computed_calls: bool = False
    """Whether something is called that is itself the result of a call."""


def list_contents(root: Any) -> Contents:
    """Collect the texts, code and functions in an object, without recursion."""
    found = Contents()
    near, met = [root], {id(root)}
    while near and len(met) < MAX_OBJECTS:
        one = near.pop()
        _note(one, found)
        for part in _parts(one):
            if id(part) not in met:
                met.add(id(part))
                near.append(part)
    return found


def _note(one: Any, found: Contents) -> None:
    if isinstance(one, str):
        if len(found.texts) < MAX_KEPT:
            found.texts.add(one[:1000])
    elif isinstance(one, PlaceholderType):
        if one.carried and len(found.classes) < MAX_KEPT:
            found.classes.append(one)
    elif isinstance(one, Called):
        found.computed_calls = True
    elif isinstance(one, Placeholder) and len(found.codes) < MAX_KEPT:
        if one.kind == CODE_TYPE:
            if code := _code(one.args):
                found.codes.append(code)
        elif one.kind.endswith(f".{MAKE_FUNCTION}") and len(found.functions) < MAX_KEPT:
            found.functions.append(_function(one.args))


def _parts(one: Any) -> Collection[Any]:
    if isinstance(one, Placeholder):
        return (type(one), *one.args, *one.kwargs.values(), one.state, *(one.items or ()))
    if isinstance(one, dict):
        return [*one.keys(), *one.values()]
    return one if isinstance(one, list | tuple | set | frozenset) else ()


def _code(args: tuple[Any, ...]) -> Code | None:
    """Return a code object: 15, 16 or 18 arguments, by the version of Python."""
    at = next((index for index, arg in enumerate(args) if isinstance(arg, bytes)), None)
    names = args[at + 2] if at is not None and len(args) > at + 2 else None
    if at is None or not isinstance(names, tuple):
        return None
    texts = [arg for arg in args[at + 3 :] if isinstance(arg, str)]
    # The file, the name, and since Python 3.11 the name with its class.
    name = texts[2] if len(texts) > 2 else texts[1] if len(texts) > 1 else "a function"
    return Code(len(args), name, args[at], tuple(one for one in names if isinstance(one, str)))


def _function(args: tuple[Any, ...]) -> Carried:
    """Return cloudpickle's function: its code, and the module's name among its globals."""
    code = _code(args[0].args) if args and isinstance(args[0], Placeholder) else None
    around = args[1] if len(args) > 1 and isinstance(args[1], dict) else {}
    module = around.get("__name__")
    return Carried(module if isinstance(module, str) else "", code.name if code else "a function")
