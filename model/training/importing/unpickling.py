"""An export unpickled with stand-ins for what is not installed here. Runs its code."""

import os
import pathlib
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...errors import ExportRefused

__all__ = ["Stub", "Unpickled", "held", "kind_of", "named", "unpickle"]

PATHS = {"pathlib", "pathlib._local"}
"""Where paths live: Python 3.13 writes the second."""

DEEPEST = 4
"""Steps from a thing to a part of it that counts as its own."""


class Stub(type):
    """The class of stand-ins: a class that takes whatever a pickle does to it.

    It stands for a missing class and for a missing function alike. Once the export
    is read, nothing may be made of it or answered by it.
    """

    reading = True

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an instance, as a pickle asks; what asks later needs the thing itself."""
        if not Stub.reading:
            raise ExportRefused(_needed(named(cls)))
        kind: Any = cls
        return object.__new__(kind)

    def __getattr__(cls, name: str) -> Any:
        """A method or member of what is missing is missing, too."""
        if name.startswith("__") or not Stub.reading:
            raise AttributeError(name)
        return cls

    def __repr__(cls) -> str:
        return named(cls)


class Unpickled:
    """What an export holds, and the names of what stands in for something missing."""

    def __init__(self) -> None:
        self.found: Any = None
        self.stubs: dict[str, Stub] = {}

    def stub(self, module: str, name: str) -> Stub:
        """The stand-in for a name, made when it is first asked for."""
        full = f"{module}.{name}"
        if full not in self.stubs:
            self.stubs[full] = Stub(
                name.rpartition(".")[2] or "missing",
                (),
                {
                    "__module__": module,
                    "__qualname__": name,
                    "__new__": lambda cls, *_, **__: object.__new__(cls),
                    "__init__": lambda *_, **__: None,
                    "__setstate__": _keep,
                    "__setitem__": lambda *_: None,
                    "append": lambda *_: None,
                    "extend": lambda *_: None,
                    "__call__": _refuse,
                    # A label's way back into words, which answers are not read from.
                    "decode": lambda _, value, **__: value,
                },
            )
        return self.stubs[full]


def unpickle(path: Path) -> Unpickled:
    """Read an export on the CPU, whatever it was written on. Runs code that it names.

    Classes and functions that cannot be found become stubs, and paths of another
    operating system become pure ones.
    """
    import torch

    result = Unpickled()

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return _find(module, name, super().find_class, result)

    reader = SimpleNamespace(
        __name__=__name__,
        Unpickler=Unpickler,
        load=lambda file, **options: Unpickler(file, **options).load(),
    )
    Stub.reading = True
    result.found = torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False)
    Stub.reading = False
    return result


def held(thing: Any) -> Stub | None:
    """The first stub in a thing's attributes, lists, dictionaries and partials, if any."""
    seen: set[int] = set()
    near = [(thing, 0)]
    while near:
        one, depth = near.pop()
        if isinstance(one, Stub):
            return one
        if kind := kind_of(one):
            return kind
        if depth < DEEPEST and id(one) not in seen:
            seen.add(id(one))
            near += [(part, depth + 1) for part in _parts(one)]
    return None


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, type | str | bytes):
        return []
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    # functools.partial keeps these outside of its dictionary.
    outside = [getattr(thing, name, None) for name in ("func", "args", "keywords")]
    return [*getattr(thing, "__dict__", {}).values(), *outside]


def kind_of(thing: Any) -> Stub | None:
    """The stub that a thing is an instance of, if it is one."""
    kind: Any = type(thing)
    return kind if isinstance(kind, Stub) else None


def named(stub: Stub) -> str:
    """A stub's full name."""
    return f"{stub.__module__}.{stub.__qualname__}"


def _find(module: str, name: str, usual: Callable[[str, str], Any], result: Unpickled) -> Any:
    if module in PATHS:
        other = "WindowsPath" if os.name == "posix" else "PosixPath"
        return getattr(pathlib, f"Pure{name}" if name == other else name)
    if module == "__main__":
        # The notebook or script that trained; here that is Loupe's own.
        return result.stub(module, name)
    try:
        return usual(module, name)
    except Exception:  # noqa: BLE001
        # An own module may fail in any way when it is imported.
        return result.stub(module, name)


def _keep(self: Any, state: Any) -> None:
    self.__dict__["state"] = state


def _refuse(self: Any, *_: Any, **__: Any) -> Any:
    if Stub.reading:
        return self
    raise ExportRefused(_needed(str(type(self))))


def _needed(name: str) -> str:
    return (
        f"Answering needs {name}, which is not here. Put the file that defines it into a folder "
        "named in PYTHONPATH, or install its package, and import again."
    )
