"""Builders of pickles, of torch's containers and of what is in them, byte by byte."""

import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

from tests.zips import zipped

MAGIC = 0x1950A86A20F9469CFC6C
LEGACY: dict[str, Any] = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
TORCH = {"version": b"3\n", "byteorder": b"little"}
"""Parts that torch writes beside data.pkl."""


class Called:
    """An object that pickles into a call."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.parts = function, args

    def __reduce__(self) -> Any:
        return self.parts

    def __call__(self) -> None:
        """Do nothing; an object that stands for a function in a pickle must be callable."""


def text(value: str) -> bytes:
    """Return the instruction that pushes a string (protocol 1 and later)."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def glob(module: str, name: str) -> bytes:
    """Return the instruction that pushes a class or function."""
    return f"c{module}\n{name}\n".encode()


def assemble(words: str, **arguments: str) -> bytes:
    r"""Return a pickle from its instructions, written as words.

    ``module:name`` pushes a class or function, ``'word`` a text, ``"word`` a text of protocol 4,
    ``$name`` the argument of that name. Other words are instructions as they are.
    """
    parts = []
    for word in words.split(" "):
        if word.startswith("$"):
            parts.append(text(arguments[word[1:]]))
        elif word.startswith("'"):
            parts.append(text(word[1:]))
        elif word.startswith('"'):
            parts.append(b"\x8c" + bytes([len(word) - 1]) + word[1:].encode())
        elif ":" in word:
            parts.append(glob(*word.split(":")))
        else:
            parts.append(word.encode("latin1"))
    return b"".join(parts)


def torch_zip(
    data: bytes, parts: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED
) -> bytes:
    """Return a zip as torch writes it, around a pickle."""
    members = {"data.pkl": data, **TORCH, **(parts or {})}
    return zipped({f"archive/{name}": part for name, part in members.items()}, method)


def legacy(*pickles: bytes) -> bytes:
    """Return torch's older format, whose first pickles may be replaced."""
    parts: list[object] = [MAGIC, 1001, LEGACY, {}, []]
    usual = [pickle.dumps(part, 2) for part in parts]
    return b"".join(mine or other for mine, other in zip(pickles, usual, strict=True))
