"""A fastai export, read into placeholders: nothing of it is run or imported.

    file ─ container ─► pickle ─ unpickler ─► placeholders ─ learner, network ─► report

A pickle is a program. Python's own unpickler runs it here, but every class and function that it
names is a placeholder, so a call only records its arguments. The reader is a process with limits,
because a file can still be made to fill the memory.
"""

import json
import signal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ...bundle import StrictModel
from ...errors import ExportRefused
from ...settings import settings
from ...text import escape
from .. import launcher

Kind = Literal["vision", "weights", "tabular", "text", "collab", "unknown"]

MAX_PRINTED = 200
"""Characters of a text from the file that are shown."""

CPU_SECONDS, WALL_SECONDS = 8, 120.0
"""Seconds for reading a file: of CPU time (large exports take two), and on a shared machine."""

MEMORY_MB = 512
MAX_REPORT_BYTES = 2**26

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


def inspect_export(path: Path) -> ExportReport:
    """Return the report on an export: its contents, an import's steps, and the findings.

    Raises:
        ExportRefused: the file is missing, not an export, cut short, or made to exhaust the
            machine; or this is Windows.
    """
    limits = launcher.Limits(WALL_SECONDS, CPU_SECONDS, min(MEMORY_MB, settings().memory_mb))
    with launcher.sandbox_folder() as folder:
        status = launcher.run(folder, {"export": str(path.absolute())}, limits)
        try:
            if status == 0:
                data = launcher.read_file(folder / "out" / launcher.REPORT, MAX_REPORT_BYTES)
                return ExportReport.model_validate_json(data)
            refusal = json.loads(launcher.read_file(folder / "out" / launcher.REFUSAL, 2**16))
            reason = _crashed(status) if refusal["foreign"] else str(refusal["message"])
        except (OSError, ValueError, KeyError, TypeError):
            reason = _crashed(status)
    raise ExportRefused(reason)


def _crashed(status: int) -> str:
    """Return the reason why the process ended without a report, and what to do."""
    if status == -signal.SIGXCPU:
        reason = (
            f"Reading stopped after {CPU_SECONDS} s of CPU time; a real export needs one or two"
        )
    else:
        reason = f"Reading took more than {MEMORY_MB} MB of memory, or crashed the reader"
    return (
        f"{reason}. The file is damaged, or made to exhaust the machine. Do not load it; ask its "
        "author for it."
    )
