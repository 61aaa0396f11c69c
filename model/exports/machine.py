"""The unpickler's stack, memo and calls, with placeholders in place of objects."""

import _compat_pickle

from .calls import called
from .values import UNKNOWN, Carried, Global, Made, Seen, Stored, Trace, Value

__all__ = ["Machine"]

MAX_HINT = 300
MAX_HINTS = 5_000

PATH = {"/", "\\"}

ITEM_SIZES = {
    **dict.fromkeys(["Double", "Long", "ComplexFloat", "UInt64"], 8),
    **dict.fromkeys(["Float", "Int", "UInt32", "QInt32"], 4),
    **dict.fromkeys(["Half", "Short", "BFloat16", "UInt16"], 2),
    "ComplexDouble": 16,
}
"""Bytes of a number, by the name of torch's storage; one where it is not listed."""

SAME = {"_operator": "operator", "_functools": "functools"}
"""Modules in C, and those in Python that hold the same things."""

GETATTR = Global("builtins", "getattr")
"""Harmless where it is called with what is seen, not where it is handed on to be called."""


class Machine:
    """The unpickler's stack, the stacks below its marks, and its memo."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.stack: list[Value] = []
        self.below: list[list[Value]] = []
        self.memo: dict[int, Value] = {}

    def text(self, value: str | bytes) -> None:
        """Push a text, and keep it as a trace if it may be a path."""
        self.stack.append(value)
        room = len(self.trace.texts) < MAX_HINTS
        if isinstance(value, str) and room and len(value) <= MAX_HINT and PATH & set(value):
            self.trace.texts.add(value)

    def marked(self) -> list[Value]:
        """Pop all down to the mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def held(self, *items: Value) -> None:
        """Look at what is put into something: some functions are not to be handed on."""
        for item in items:
            if type(item) is Global and item == GETATTR:
                self.trace.see(item).alarm = True

    def look_up(self, module: Value, name: Value) -> None:
        """Push what a module holds, under the name that Python 3 has for it."""
        if not isinstance(module, str) or not isinstance(name, str):
            self.trace.alarm("A name is put together while the file is loaded.")
            module, name = "?", "?"
        if (module, name) in _compat_pickle.NAME_MAPPING:
            module, name = _compat_pickle.NAME_MAPPING[module, name]
        elif module in _compat_pickle.IMPORT_MAPPING:
            module = _compat_pickle.IMPORT_MAPPING[module]
        found = Global(SAME.get(str(module), str(module)), str(name))
        self.trace.see(found)
        self.stack.append(found)

    def call(self, maker: Value, args: Value) -> None:
        """Push what a call gives, and note it."""
        self.held(*(args if isinstance(args, tuple) else ()))
        self.stack.append(called(self.trace, maker, args))

    def build(self) -> None:
        """Give an object its state; the labels and the layers are seen here."""
        state = self.stack.pop()
        target = self.stack[-1]
        self.held(state)
        if isinstance(target, Made):
            target.state = state
            maker = target.maker
            if isinstance(maker, Global | Carried) and isinstance(state, dict):
                note: Seen | Carried = self.trace.see(maker) if isinstance(maker, Global) else maker
                note.network = note.network or {"_modules", "_parameters"} <= state.keys()
            if isinstance(maker, Global) and maker.name == "CategoryMap":
                self.trace.labels = _labels(state) or self.trace.labels
        elif isinstance(target, Global):
            self.trace.alarm(f"Loading changes {target.module}.{target.name} itself.")
            self.trace.see(target).alarm = True

    def persistent(self, found: Value) -> None:
        """Push what torch keeps outside of the pickle: a tensor's numbers, a layer's class."""
        if isinstance(found, tuple) and len(found) >= 4 and found[0] == "module":
            self.stack.append(found[1])  # with its source, which torch compares
            return
        if isinstance(found, tuple) and len(found) >= 5 and found[0] == "storage":
            _, kind, key, device, count = found[:5]
            key = key if isinstance(key, str) else "?"
            if isinstance(kind, Global) and isinstance(count, int):
                size = ITEM_SIZES.get(kind.name.removesuffix("Storage"), 1)
                self.trace.storages[key] = max(0, count) * size
            if isinstance(device, str):
                self.trace.devices.add(device)
            self.stack.append(Stored(key))
            return
        self.stack.append(UNKNOWN)


def _labels(state: Value) -> tuple[str, ...]:
    """A vocabulary in a ``CategoryMap``'s state."""
    table = state.get("o2i") if isinstance(state, dict) else None
    if isinstance(table, Made):
        table = table.state
    return tuple(str(label) for label in table) if isinstance(table, dict) else ()
