"""The report on an export: plain values that can be printed and written as JSON."""

import json
from typing import Annotated, Literal

from pydantic import Field

from ...bundle import StrictModel
from ...text import escape

Kind = Literal["vision", "weights", "tabular", "text", "collab", "unknown"]

MAX_PRINTED = 200
"""Characters of a text from the file that are shown."""

Text = Annotated[str, Field(max_length=20_000)]


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

    ``format`` is how it was written: ``zip`` (torch since 1.6), ``legacy`` (torch before)
    or ``safetensors``. The kind ``weights`` is a state dict alone.
    ``task`` is ``single-label``, ``multi-label``, ``segmentation``, ``regression``,
    ``boxes`` or ``unknown``. ``labels`` is empty where they were not found. ``plan`` are the
    steps of an import, ``left_behind`` the parts that it leaves out. ``names`` are the classes
    and functions that the file refers to, by full name. ``needs_trust`` is true where the network's
    own code would have to run. Texts from the file are safe to print.
    """

    file: Text
    bytes: int
    weights_bytes: int
    format: Literal["zip", "legacy", "safetensors"]
    kind: Kind
    task: Text
    labels: tuple[Text, ...]
    plan: tuple[Text, ...]
    left_behind: tuple[Text, ...]
    names: tuple[Text, ...]
    problems: tuple[Finding, ...]
    needs_trust: bool = False

    @property
    def fatal(self) -> bool:
        """True if an import would fail."""
        return any(problem.fatal for problem in self.problems)

    def to_json(self) -> str:
        """Return it as JSON, with ``fatal``."""
        values = {**self.model_dump(mode="json"), "fatal": self.fatal}
        return json.dumps(values, indent=1, ensure_ascii=False)


def printable(text: str, limit: int = MAX_PRINTED) -> str:
    r"""Return a file's text fit for a terminal, with invisible characters as ``\x1b``."""
    return escape(text if len(text) <= limit else text[:limit] + "…")
