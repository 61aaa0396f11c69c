"""The report on an export: plain values that can be printed and written as JSON."""

import json
from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field

from ...bundle import StrictModel
from ...text import escape, list_some

__all__ = ["ExportReport", "Finding", "Group", "Kind", "Name", "joined", "printable"]

Kind = Literal["vision", "weights", "tabular", "text", "collab", "unknown"]

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

MAX_PRINTED = 200
"""Characters of a text from the file that are shown."""

Text = Annotated[str, Field(max_length=20_000)]


class Name(StrictModel):
    """A function or class that the file refers to, or that it carries.

    ``called`` is true when loading it would call it or make an object of it. ``role`` is
    inferred: ``network``, ``class``, ``function`` or ``module``. ``carried`` is true when its
    code is in the file itself, so that no module is needed for it.
    """

    module: Text
    name: Text
    group: Group
    called: bool
    role: Text = ""
    carried: bool = False

    @property
    def full(self) -> str:
        """``module.name``; a module alone has no name."""
        return ".".join(part for part in (self.module, self.name) if part)


class Finding(StrictModel):
    """A fact about a file, with a stable ``code``; a fatal one stops an import."""

    code: Text
    message: Text
    fatal: bool

    @classmethod
    def of(cls, code: str, message: str, *, fatal: bool = True) -> "Finding":
        """Return a finding."""
        return cls(code=code, message=message, fatal=fatal)


class ExportReport(StrictModel):
    """All that is known of a fastai export without running it.

    ``format`` is how it was written: ``zip`` (torch since 1.6), ``legacy`` (torch before),
    ``pickle`` or ``safetensors``. The kind ``weights`` is a state dict alone.
    ``task`` is ``single-label``, ``multi-label``, ``segmentation``, ``regression``,
    ``boxes`` or ``unknown``. ``labels`` is empty where they were not found. ``plan`` says what
    an import does with it, ``left_behind`` what it does not take along. ``inferred`` is read off
    traces, and may be wrong. ``needs_trust`` is true where the network's own code would have to
    run. Texts from the file are safe to print.
    """

    file: Text
    bytes: int
    weights_bytes: int
    format: Literal["zip", "legacy", "pickle", "safetensors"]
    kind: Kind
    task: Text
    library: Text
    labels: tuple[Text, ...]
    plan: tuple[Text, ...]
    left_behind: tuple[Text, ...]
    names: tuple[Name, ...]
    inferred: dict[str, Text]
    problems: tuple[Finding, ...]
    needs_trust: bool = False

    @property
    def fatal(self) -> bool:
        """Whether an import would fail, or must not be tried."""
        return any(problem.fatal for problem in self.problems)

    def to_json(self) -> str:
        """Return it as JSON, with ``fatal``."""
        values = {**self.model_dump(mode="json"), "fatal": self.fatal}
        return json.dumps(values, indent=1, ensure_ascii=False)


def printable(text: str, limit: int = MAX_PRINTED) -> str:
    r"""Return a text from a file, fit for a terminal: the invisible is written as ``\x1b``."""
    return escape(text if len(text) <= limit else text[:limit] + "…")


def joined(words: Collection[str]) -> str:
    """Return words with commas, and how many more there are."""
    return list_some(list(dict.fromkeys(words)))
