"""What an examination found: plain values that can be printed and written as JSON."""

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..text import list_some

__all__ = ["Export", "Group", "Kind", "Name", "Problem", "listed", "shown"]

Kind = Literal["vision", "tabular", "text", "collab", "unknown"]

Group = Literal[
    "fastai",
    "fastcore",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pandas",
    "pathlib",
    "builtins",
    "python",
    "packages",
    "cloudpickle",
    "own",
    "other",
    "dangerous",
]

MAX_SHOWN = 200
"""Characters of a text from the file that are shown."""


@dataclass(frozen=True, slots=True)
class Name:
    """A function or class that loading looks up, or that the file carries with it.

    ``called`` is true when loading calls it or makes an object of it. ``role`` is
    inferred: ``network``, ``class``, ``function`` or ``module``. ``carried`` is true
    when its code is in the file itself, so that no module is needed for it.
    """

    module: str
    name: str
    group: Group
    called: bool
    role: str = ""
    carried: bool = False

    @property
    def full(self) -> str:
        """``module.name``; a module alone has no name."""
        return ".".join(part for part in (self.module, self.name) if part)


@dataclass(frozen=True, slots=True)
class Problem:
    """What stands in the way, with a stable ``code``; a fatal one stops an import."""

    code: str
    message: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Export:
    """What can be said of a fastai export without loading it.

    ``format`` is how it was written: ``zip`` (torch since 1.6), ``legacy`` (torch before)
    or ``pickle``. ``task`` is ``single-label``, ``multi-label``, ``segmentation``,
    ``regression``, ``boxes`` or ``unknown``. ``labels`` is empty where they were not found.
    ``inferred`` is read off traces, and may be wrong. Texts from the file are safe to print.
    """

    file: str
    bytes: int
    weights_bytes: int
    format: Literal["zip", "legacy", "pickle"]
    kind: Kind
    task: str
    library: str
    labels: tuple[str, ...]
    names: tuple[Name, ...]
    inferred: Mapping[str, str]
    problems: tuple[Problem, ...]

    @property
    def fatal(self) -> bool:
        """Whether an import would fail, or must not be tried."""
        return any(problem.fatal for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """As JSON wants it."""
        values = asdict(self)
        for key in ("labels", "names", "problems"):
            values[key] = list(values[key])
        return {**values, "inferred": dict(self.inferred), "fatal": self.fatal}


def shown(text: str, limit: int = MAX_SHOWN) -> str:
    r"""A text from a file, fit for a terminal: what is not seen is written as ``\x1b``."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return "".join(
        char
        if char.isprintable() and unicodedata.category(char)[0] != "C"
        else char.encode("unicode_escape").decode("ascii")
        for char in cut
    )


def listed(words: Collection[str]) -> str:
    """Words with commas, and how many more there are."""
    return list_some(list(dict.fromkeys(words)))
