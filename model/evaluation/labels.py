"""Names of folders, and the model's labels that they stand for."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ..errors import DataError

__all__ = ["Matched", "match"]

SHOWN = 8
"""Unmatched names that a message lists."""


@dataclass(frozen=True, slots=True)
class Matched:
    """``found`` maps a folder's name to its label; ``left_out`` fits no label."""

    found: dict[str, str]
    left_out: tuple[str, ...]


def match(names: Iterable[str], labels: Sequence[str]) -> Matched:
    """Find the label of each folder's name.

    The exact label comes first; else case does not matter, and underscores,
    hyphens and slashes count as spaces, as long as one label alone fits.

    Raises:
        DataError: no name fits a label; the message lists names and near labels.
    """
    names, exact = list(names), set(labels)
    keys = Counter(map(_key, labels))
    loose = {_key(label): label for label in labels if keys[_key(label)] == 1}
    fits = {name: name if name in exact else loose.get(_key(name)) for name in names}
    found = {name: label for name, label in fits.items() if label is not None}
    left_out = tuple(name for name in names if name not in found)
    if not found:
        raise DataError(_no_label(left_out, labels))
    return Matched(found, left_out)


def _key(name: str) -> str:
    # macOS writes names decomposed (NFD); labels are usually composed.
    plain = unicodedata.normalize("NFC", name).casefold()
    return re.sub(r"[\s_/-]+", " ", plain).strip()


def _no_label(names: Sequence[str], labels: Sequence[str]) -> str:
    if not names:
        return "There are no folders to take labels from. Put the photos into one folder a label."
    keys = {_key(label): label for label in labels}
    said = []
    for name in names[:SHOWN]:
        near = [keys[key] for key in get_close_matches(_key(name), keys, n=3)]
        said.append(f"{name!r} (near: {', '.join(near)})" if near else repr(name))
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return (
        f"No folder has the name of one of the model's {len(labels):,} labels: "
        f"{', '.join(said)}{more}. Name a folder after each label, and give the folder "
        "that holds them."
    )
