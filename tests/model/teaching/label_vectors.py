"""Labels and their rules, for both languages; generated from the ends of each range of characters.

A rule is 0 for a label that no file may have, 1 for one that only earlier files have, else 2.
"""

from model.teaching.loupe_file import is_label, was_label
from model.text import CHARACTERS


def rule_of(text: str) -> int:
    """Return Python's rule for a label."""
    return was_label(text) + is_label(text)


SHOWN = "21-7e b5 100-2ff 4e00-9fff ff21-ff5a 1f600"
WORDS = "cat Hündin שלום می\u200cخواهم 👩\u200d🚀 ❤\ufe0f 葛\U000e0100 ᠭᠡ\u180d"
VECTORS = dict.fromkeys(WORDS.split(" "), 2) | dict.fromkeys(("", " cat", "cat\u3000", "x" * 61), 0)
for _kind, _ranges in {**CHARACTERS, "shown": SHOWN}.items():
    _between, _alone = {"controls": (0, 0), "hidden": (1, 0), "shown": (2, 2)}.get(_kind, (2, 0))
    for _end in _ranges.replace("-", " ").split():
        _char = chr(int(_end, 16))
        VECTORS |= {f"a{_char}b": _between, _char: _alone}

ALIKE = (
    ("é", "e\u0301"),
    ("Ａ", "A"),
    ("a b", "a\u3000b"),
    ("❤", "❤\ufe0f"),
    ("e\u200c\u0301", "é"),
)
DIFFERENT = (("cat", "Cat"), ("cat", "dog"), ("é", "e"), ("a b", "ab"))
"""Pairs of labels that may not, and that may, be new in one model."""
