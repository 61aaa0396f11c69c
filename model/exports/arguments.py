"""An instruction's argument → the text, number or constant that it pushes."""

import codecs
from collections.abc import Callable

from .values import UNKNOWN, Value

__all__ = ["CONSTANTS", "NUMBERS", "TEXTS", "number"]

MAX_TEXT = 2**16
"""Characters of a text that are kept."""


def number(argument: bytes, form: str) -> Value:
    """A whole number; ``form`` is ``line``, ``signed`` or ``unsigned``."""
    if form == "line":
        text = argument.strip().removesuffix(b"L")
        if argument in (b"00", b"01"):
            return argument == b"01"
        # A number of a million digits takes minutes to read.
        return int(text) if len(text) <= 40 else UNKNOWN
    if len(argument) > 32:
        return UNKNOWN
    return int.from_bytes(argument, "little", signed=form == "signed")


def _plain(argument: bytes) -> str:
    # torch.load reads texts of Python 2 as UTF-8.
    return argument.decode("utf-8", "replace")[:MAX_TEXT]


def _unicode(argument: bytes) -> str:
    return str(argument, "utf-8", "surrogatepass" if len(argument) < 2**20 else "replace")[
        :MAX_TEXT
    ]


def _quoted(argument: bytes) -> str:
    text = argument.strip()
    if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
        raise ValueError(text)
    unescaped: bytes = codecs.escape_decode(text[1:-1])[0]
    return _plain(unescaped)


CONSTANTS: dict[str, Value] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "FLOAT": UNKNOWN,
    "BINFLOAT": UNKNOWN,
    "NEXT_BUFFER": UNKNOWN,
}

NUMBERS = {
    "INT": "line",
    "LONG": "line",
    "BININT": "signed",
    "BININT1": "unsigned",
    "BININT2": "unsigned",
    "LONG1": "signed",
    "LONG4": "signed",
}

TEXTS: dict[str, Callable[[bytes], str | bytes]] = {
    "STRING": _quoted,
    "BINSTRING": _plain,
    "SHORT_BINSTRING": _plain,
    "UNICODE": lambda argument: str(argument, "raw-unicode-escape")[:MAX_TEXT],
    "BINUNICODE": _unicode,
    "SHORT_BINUNICODE": _unicode,
    "BINUNICODE8": _unicode,
    "BINBYTES": bytes,
    "SHORT_BINBYTES": bytes,
    "BINBYTES8": bytes,
    "BYTEARRAY8": bytes,
}
