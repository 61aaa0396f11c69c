"""Inert placeholders for the objects that a pickle describes."""

from dataclasses import dataclass
from typing import Any

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
