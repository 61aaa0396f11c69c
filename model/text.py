"""Text for people, in messages and on the command line."""

import re
import unicodedata
from collections.abc import Sequence

from rich.filesize import decimal

INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029"  # controls, surrogates, line separators
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # direction of the text around them
)
"""Characters that control a terminal or reorder text, so that it reads as what it is not."""

JOINERS = "\u200c\u200d"
"""Invisible as well, but Persian and emoji need them."""

MAX_LISTED = 8
"""Most names that a message lists, unless it says otherwise."""


def clean(text: str, *, keep_spaces: bool = False) -> str:
    """Return text from outside as one line without ``INVISIBLE``, its accents composed.

    Args:
        text: a title, a label, a file's name.
        keep_spaces: leave several spaces in a row, for names that people search for.
    """
    visible = INVISIBLE.sub("", text if keep_spaces else " ".join(text.split()))
    one_line = visible.strip() if keep_spaces else " ".join(visible.split())
    return unicodedata.normalize("NFC", one_line)


def escape(text: str) -> str:
    r"""Return text from outside, fit for a terminal: the invisible is written as ``\x1b``."""
    return "".join(
        char
        if char.isprintable() or char in JOINERS
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def list_some(names: Sequence[str], limit: int = MAX_LISTED) -> str:
    """Join the first names with commas and count the others."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def count_of(count: int, noun: str) -> str:
    """Return a number with its noun, which gets an s unless the number is one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_size(count: int) -> str:
    """Return a number of bytes as ``999 bytes``, ``1.5 kB``, ``2.0 MB``."""
    return decimal(count)
