"""A restricted unpickler: it makes placeholders, never a class or function that a file names."""

import _compat_pickle
import codecs
import collections
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from .placeholders import PlaceholderType, Storage

MAX_NAMES = 20_000
"""Names of classes and functions in one file; exports of large networks have a few hundred."""

MAX_NUMBERS = 2**48
"""Numbers of one storage: more than any file holds."""


class OrderedDict(collections.OrderedDict[Any, Any]):
    """An ordered dictionary without attributes, by which a pickle could replace its methods."""

    def __setstate__(self, state: Any) -> None:
        """Drop the state, in which torch keeps versions of layers (``_metadata``)."""


PLAIN: dict[tuple[str, str], Any] = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "list"): list,
    ("builtins", "tuple"): tuple,
    ("builtins", "dict"): dict,
    ("collections", "OrderedDict"): OrderedDict,
}
"""The only real classes that a file can name: Python's own containers."""


class LimitExceeded(pickle.UnpicklingError):
    """A pickle that needs more than any export."""


@dataclass(slots=True)
class UnpickleResult:
    """The names, types and storages that the pickles of one file refer to."""

    names: dict[tuple[str, str], PlaceholderType] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)

    def named(self, module: str, name: str) -> PlaceholderType:
        """Return the placeholder of ``module.name``, the same at every call."""
        key = module, name
        if key not in self.names:
            if len(self.names) >= MAX_NAMES:
                raise LimitExceeded(f"it refers to more than {MAX_NAMES:,} classes and functions")
            self.names[key] = PlaceholderType.of(module, name)
        return self.names[key]


class Unpickler(pickle.Unpickler):
    """Unpickle into placeholders.

    Calls of functions and classes become placeholders with their arguments, so nothing of the
    file runs. Containers, text, bytes and numbers are Python's own.
    """

    def __init__(self, file: BinaryIO, reading: UnpickleResult) -> None:
        # As torch.load does, for text of Python 2.
        super().__init__(file, encoding="utf-8", errors="replace")
        self.reading = reading

    def find_class(self, module: str, name: str) -> Any:
        """Return a placeholder, or a container of Python's own."""
        return resolve(self.reading, module, name)

    def persistent_load(self, pid: Any) -> Any:
        """Return the reference to a tensor's numbers, which torch keeps outside of the pickle.

        torch's older format also refers to classes of layers in this way, with their source.
        """
        if isinstance(pid, tuple) and pid[:1] == ("module",) and len(pid) > 1:
            return pid[1]
        try:
            kind, storage_type, key, _device, size, *view = pid
            if kind != "storage" or not isinstance(storage_type, PlaceholderType):
                raise ValueError
            storage = Storage(storage_type.name, str(key), int(size))
            if any(part is not None for part in view) or size < 0:
                raise ValueError
        except (TypeError, ValueError):
            raise pickle.UnpicklingError("it refers to an object outside of the file") from None
        if storage.size > MAX_NUMBERS:
            raise pickle.UnpicklingError("one of its tensors has more numbers than any file holds")
        known = self.reading.storages.setdefault(storage.key, storage)
        if known != storage:
            raise pickle.UnpicklingError("two of its tensors disagree on their numbers")
        return known


def resolve(reading: UnpickleResult, module: str, name: str) -> Any:
    """Return the object for ``module.name`` in a pickle: a placeholder, or a container."""
    # Protocols 0 to 2 write Python 2's names.
    module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
    module = _compat_pickle.IMPORT_MAPPING.get(module, module)
    if (module, name) in PLAIN:
        return PLAIN[module, name]
    known = reading.named(module, name)
    if (module, name) in EMULATED:
        return _Emulated(reading, known, EMULATED[module, name])
    return known


class _Emulated:
    """A known function that is emulated with placeholders."""

    __slots__ = ("emulate", "known", "reading")

    def __init__(
        self, reading: UnpickleResult, known: PlaceholderType, emulate: Callable[..., Any]
    ) -> None:
        self.reading, self.known, self.emulate = reading, known, emulate

    def __setstate__(self, state: Any) -> None:
        raise TypeError("a function is changed while the file is read")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            result = self.emulate(self.reading, *args, **kwargs)
        except TypeError:
            result = NotImplemented
        return self.known(*args, **kwargs) if result is NotImplemented else result


def _getattr(reading: UnpickleResult, owner: Any, name: Any, *_: Any) -> Any:
    """Emulate ``getattr`` on a class or module: return the placeholder of the longer name."""
    if isinstance(name, str) and isinstance(owner, PlaceholderType):
        return reading.named(owner.module, f"{owner.name}.{name}" if owner.name else name)
    return NotImplemented


def _encode(_: UnpickleResult, text: Any, encoding: Any = "utf-8", *__: Any) -> Any:
    """Emulate ``_codecs.encode(text, "latin1")``, by which protocol 2 writes bytes."""
    if isinstance(text, str) and encoding in ("latin1", "latin-1"):
        return codecs.encode(text, "latin1")
    return NotImplemented


def _new(_: UnpickleResult, cls: Any, *args: Any) -> Any:
    """Emulate ``copyreg.__newobj__``, by which protocols without NEWOBJ make objects."""
    return cls(*args) if isinstance(cls, PlaceholderType) else NotImplemented


def _reconstructor(_: UnpickleResult, cls: Any, *__: Any) -> Any:
    return cls() if isinstance(cls, PlaceholderType) else NotImplemented


def _module(reading: UnpickleResult, name: Any, *_: Any) -> Any:
    """Emulate cloudpickle's import of a module that embedded code uses."""
    return reading.named(name, "") if isinstance(name, str) else NotImplemented


def _builtin_type(reading: UnpickleResult, name: Any) -> Any:
    """Emulate cloudpickle's look-up of types without a module, such as that of compiled code."""
    return reading.named("types", name) if isinstance(name, str) else NotImplemented


def _class(_: UnpickleResult, *args: Any) -> Any:
    """Emulate cloudpickle's class: ``(type, name, bases, {"__module__": …}, …)``."""
    texts = [arg for arg in args[:3] if isinstance(arg, str)]
    namespace = next((arg for arg in args if isinstance(arg, dict)), {})
    module = namespace.get("__module__")
    cls = PlaceholderType.of(module if isinstance(module, str) else "", (texts or ["a class"])[0])
    cls.embedded = True
    return cls


Emulation = Callable[..., Any]

EMULATED: dict[tuple[str, str], Emulation] = {
    ("builtins", "getattr"): _getattr,
    ("_codecs", "encode"): _encode,
    ("copyreg", "__newobj__"): _new,
    ("copyreg", "_reconstructor"): _reconstructor,
    **{
        (f"cloudpickle.{module}", name): emulate
        for module in ("cloudpickle", "cloudpickle_fast")
        for name, emulate in (
            ("_builtin_type", _builtin_type),
            ("subimport", _module),
            ("_make_skeleton_class", _class),
            ("_make_skeleton_enum", _class),
        )
    },
}
"""Functions whose result a pickle then uses as a class, a module or bytes."""
