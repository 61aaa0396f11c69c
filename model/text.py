"""Text for people, in messages and on the command line."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from rich.filesize import decimal

CHARACTERS = {
    # Control a terminal, separate lines or reorder text, so that it reads as something else.
    "controls": "0-1f 7f-9f 61c 200e-200f 2028-202e 2066-2069 d800-dfff",
    # Show nothing: two texts that differ only in them look alike.
    "hidden": "ad 34f 115f-1160 17b4-17b5 200b 2060-2065 206a-206f 2800 3164 feff ffa0 fff0-fffb "
    "1bca0-1bca3 1d173-1d17a e0000-e00ff e01f0-e0fff",
    # Show nothing either, but scripts and emoji need them.
    "joiners": "180b-180f 200c-200d fe00-fe0f e0100-e01ef",
    # Show nothing on their own: spaces, marks for any letter, private use.
    "blanks": "20 a0 1680 2000-200a 202f 205f 3000 300-36f 1ab0-1aff 1dc0-1dff 20d0-20ff fe20-fe2f "
    "e000-f8ff f0000-10ffff",
}
"""Code points by what they do, hexadecimal. ``device/teach/loupe_file.mjs`` has the same table."""


def one_of(*kinds: str) -> str:
    """Return the inside of a regular expression's ``[…]`` for kinds of ``CHARACTERS``."""
    ranges = " ".join(CHARACTERS[kind] for kind in kinds)
    return re.sub("[0-9a-f]+", lambda found: rf"\U{found[0]:0>8}", ranges).replace(" ", "")


VISIBLE = re.compile(f"[^{one_of(*CHARACTERS)}]")
INVISIBLE = re.compile(f"[{one_of('controls', 'hidden')}]")
"""What text from outside may not contain."""

JOINERS = re.compile(f"[{one_of('joiners')}]")

MAX_LISTED = 8
"""Most names that a message lists, unless it says otherwise."""


def clean(text: str, *, keep_spaces: bool = False) -> str:
    """Return text from outside as one line without ``INVISIBLE``, its accents composed.

    ``keep_spaces`` leaves several in a row, for names that people search for.
    """
    visible = INVISIBLE.sub("", text if keep_spaces else " ".join(text.split()))
    one_line = visible.strip() if keep_spaces else " ".join(visible.split())
    return unicodedata.normalize("NFC", one_line)


def escape(text: str) -> str:
    r"""Return text from outside, fit for a terminal: the invisible is written as ``\x1b``."""
    return "".join(
        char
        if char.isprintable() or JOINERS.match(char)
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def find_confusing(labels: Sequence[str]) -> list[str]:
    """Return the labels that look like another one, or that have invisible characters.

    They look alike if NFKC makes them equal, joiners aside.
    """
    looks = {text: unicodedata.normalize("NFKC", JOINERS.sub("", text)) for text in labels}
    counts = Counter(looks[text] for text in labels)
    return [text for text in labels if counts[looks[text]] > 1 or INVISIBLE.search(text)]


def warn_of_labels(labels: Sequence[str]) -> str:
    """Return a sentence with the labels that ``find_confusing`` returns; empty without any."""
    named = list_some([ascii(label) for label in find_confusing(labels)])
    return named and f"Labels that look alike or have invisible characters: {named}."


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
