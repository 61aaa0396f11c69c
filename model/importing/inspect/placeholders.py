"""Inert placeholders for the objects that a pickle describes, and the plain values among them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

DTYPES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    # NumPy has no such type; its bits are the upper half of a float32.
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}
"""NumPy's types by torch's storages."""


@dataclass(frozen=True)
class Storage:
    """A reference to a tensor's numbers: torch's name of their type, their key and count."""

    # Without slots: up to Python 3.11.3 they would replace __setstate__.

    type: str
    key: str
    size: int

    @property
    def bytes(self) -> int:
        """Bytes of its numbers; those of unknown types count as eight each."""
        return self.size * int(DTYPES.get(self.type, "8")[-1])

    def __setstate__(self, state: Any) -> None:
        """Refuse changes that a pickle makes after the check."""
        raise TypeError("a tensor's numbers are changed while the file is read")


class PlaceholderType(type):
    """The placeholder of a class, function or module; calling it makes a placeholder instance.

    It is a class because some pickle instructions insist on one. With an empty ``name`` it
    stands for the module itself.
    """

    module: str = ""
    name: str = ""
    embedded: bool = False
    """True if its code is in the file, as cloudpickle writes it."""

    @classmethod
    def of(cls, module: str, name: str) -> "PlaceholderType":
        """Return a new placeholder of ``module.name``."""
        placeholder = type.__new__(cls, "Placeholder", (Placeholder,), {"__slots__": ()})
        type.__setattr__(placeholder, "module", module)
        type.__setattr__(placeholder, "name", name)
        return placeholder

    def __setattr__(cls, key: str, value: Any) -> None:
        """Refuse changes by a pickle; only the reader sets the flag ``embedded``."""
        if key != "embedded" or value is not True:
            raise TypeError("a class is changed while the file is read")
        type.__setattr__(cls, key, value)

    @property
    def full(cls) -> str:
        """``module.name``."""
        return ".".join(part for part in (cls.module, cls.name) if part)

    def __repr__(cls) -> str:
        return f"<{cls.full}>"


class Placeholder(metaclass=PlaceholderType):
    """The placeholder of an object, with its arguments, state and items.

    ``args`` and ``kwargs`` are those of the call; ``state`` is what the pickle sets afterwards,
    or None; ``items`` are elements, or pairs of key and value, that it appends.
    """

    __slots__ = ("args", "items", "kwargs", "state")

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    state: Any
    items: list[Any] | None

    def __new__(cls, *args: Any, **kwargs: Any) -> "Placeholder":
        """Record the arguments and do nothing with them."""
        made = object.__new__(cls)
        made.args, made.kwargs, made.state, made.items = args, kwargs, None, None
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> "Placeholder":
        """Record the call of a function that is itself the result of a call."""
        return Placeholder(self, *args, **kwargs)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.append((key, value))

    def append(self, item: Any) -> None:
        """Record an element."""
        if self.items is None:
            self.items = []
        self.items.append(item)

    add = append

    def extend(self, items: list[Any]) -> None:
        """Record several elements."""
        for item in items:
            self.append(item)

    @property
    def attributes(self) -> dict[Any, Any]:
        """The state as a dictionary of attributes; empty for other states.

        An object with slots has a pair of dictionaries.
        """
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        merged: dict[Any, Any] = {}
        for part in parts[:2]:
            if isinstance(part, dict):
                merged.update(part)
        return merged

    @property
    def kind(self) -> str:
        """Full name of its class, or of the function that made it."""
        return type(self).full or "the result of a call"

    def __repr__(self) -> str:
        return f"<{self.kind} object>"


MAX_DEPTH = 12

TUPLES = {"fastcore.basics.fastuple", "fastcore.utils.fastuple", "torch.Size"}
LISTS = {"fastcore.foundation.L", "fastcore.basics.L"}
SCALARS = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
ARRAYS = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
BUFFERS = {"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"}
RESAMPLING = "PIL.Image.Resampling"


class Unreadable(ValueError):
    """A value that is not plain; ``str()`` names it."""


def full_name(value: Any) -> str:
    """Return the full name of a function, of a class, or of an object's class."""
    if isinstance(value, PlaceholderType):
        return value.full
    return value.kind if isinstance(value, Placeholder) else type(value).__name__


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as Python's own: None, bool, int, float, str, bytes, list, tuple, dict, set.

    Raises:
        Unreadable: the value is, or contains, something else.
    """
    if depth > MAX_DEPTH:
        raise Unreadable("a value is nested too deeply")
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(plain(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return {plain(key, depth + 1): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Placeholder):
        return _object(value, depth + 1)
    kind, _, member = full_name(value).rpartition(".")
    # Python 3.11.0 to 3.11.3 writes members of enumerations by name, all others by value.
    if kind == RESAMPLING and member in Image.Resampling.__members__:
        return Image.Resampling[member].value
    raise Unreadable(full_name(value))


def _object(value: Placeholder, depth: int) -> Any:
    kind = value.kind
    if kind in TUPLES:
        return tuple(plain(item, depth) for item in _sequence(value))
    if kind in LISTS:
        return [plain(item, depth) for item in elements(value, depth)]
    if kind == RESAMPLING and len(value.args) == 1:
        return plain(value.args[0], depth)
    if kind in SCALARS and len(value.args) == 2 and isinstance(value.args[1], bytes):
        return _array(value.args[0], value.args[1], (), kind)[()].item()
    if kind in ARRAYS or kind in BUFFERS:
        return _elements_of_array(value, depth)
    raise Unreadable(kind)


def _sequence(value: Placeholder) -> list[Any]:
    """Return the elements of a subclass of tuple or list, however they were pickled."""
    if value.items is not None:
        return value.items
    if len(value.args) == 1 and isinstance(value.args[0], tuple | list):
        return list(value.args[0])
    return list(value.args)


def elements(value: Any, depth: int = 0) -> list[Any]:
    """Return the elements of a list, tuple or fastcore's ``L``, without decoding them.

    Raises:
        Unreadable: the value is something else.
    """
    if isinstance(value, tuple | list):
        return list(value)
    if isinstance(value, Placeholder) and value.kind in LISTS:
        inner = value.attributes.get("items")
        if isinstance(inner, tuple | list):
            return list(inner)
        if isinstance(inner, Placeholder):
            return list(plain(inner, depth + 1))
        return _sequence(value)
    raise Unreadable(full_name(value))


def _elements_of_array(value: Placeholder, depth: int) -> list[Any]:
    """Return a NumPy array as a list, whose elements may be text."""
    if value.kind in BUFFERS:
        data, dtype, shape, order = (*value.args, "C", "C")[:4]
        fortran = order == "F"
    else:
        state = value.state if isinstance(value.state, tuple) else ()
        if len(state) != 5:
            raise Unreadable(value.kind)
        _, shape, dtype, fortran, data = state
    if fortran or not isinstance(shape, tuple) or len(shape) != 1:
        raise Unreadable("an array of several dimensions")
    if isinstance(data, list):  # of objects
        return [plain(item, depth) for item in data]
    if not isinstance(data, bytes | bytearray):
        raise Unreadable(value.kind)
    listed: list[Any] = _array(dtype, bytes(data), shape, value.kind).tolist()
    return listed


def _array(dtype: Any, data: bytes, shape: tuple[Any, ...], kind: str) -> Any:
    """Decode the bytes of a NumPy array of numbers or of text of fixed length."""
    code = dtype.args[0] if isinstance(dtype, Placeholder) and dtype.args else None
    if not isinstance(code, str) or not isinstance(dtype, Placeholder):
        raise Unreadable(kind)
    state = dtype.state if isinstance(dtype.state, tuple) else ()
    order = state[1] if len(state) > 1 and state[1] in ("<", ">") else ""
    try:
        resolved = np.dtype(order + code.lstrip("<>|="))
        if resolved.kind not in "biufSU" or not all(type(size) is int for size in shape):
            raise Unreadable(kind)
        if math.prod(shape) * resolved.itemsize != len(data):
            raise Unreadable(kind)
        return np.frombuffer(data, resolved).reshape(shape)
    except (TypeError, ValueError) as error:
        raise Unreadable(kind) from error
