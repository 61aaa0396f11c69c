"""The rules and templates of an answer's words, in ``words.json``.

The browser reads the same data, as part of ``model.json``, so that page and device say the same.
"""

import json
from pathlib import Path
from typing import Literal, NotRequired, TypedDict


class Range(TypedDict, total=False):
    """The smallest and the largest value for which a rule holds."""

    min: float
    max: float


class CertaintyRule(TypedDict):
    """A certainty, the facts on which it rests and its words; the first rule that fits holds.

    ``when`` gives a fact's value, or its range. ``note`` is a template, as ``headline`` is, and so
    is ``shared``, for those who didn't ask: without it, the label and its percentage. ``record``
    names the track record that fits.
    """

    certainty: str
    when: dict[str, float | Range]
    headline: str
    note: NotRequired[str]
    shared: NotRequired[str]
    record: NotRequired[Literal["labels", "plausible", "unknown"]]


class PercentRule(TypedDict, total=False):
    """A form for shares below a limit: a fixed text, or a number of digits."""

    below: float
    text: str
    digits: int
    at_most: float


class Words(TypedDict):
    """The contents of ``words.json``."""

    certainties: list[CertaintyRule]
    conjunctions: dict[str, str]
    testing: dict[Literal["same_graph", "other_graph"], str]
    percent: list[PercentRule]


WORDS: Words = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
