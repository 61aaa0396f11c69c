"""A fastai export, read into placeholders: nothing of it is run or imported.

    file ─ container ─► pickle ─ unpickler ─► placeholders ─ learner, network ─► report

A pickle is a program. Python's own unpickler runs it here, but every class and function that it
names is a placeholder, so a call only records its arguments. The reader is a process with limits,
because a file can still be made to fill the memory.
"""

import json
import signal
from pathlib import Path

from ...errors import ExportRefused
from ...settings import settings
from .. import launcher
from .export_report import ExportReport, Finding

__all__ = ["ExportReport", "Finding", "inspect_export"]

CPU_SECONDS = 8
"""CPU time that reading a file may take, in seconds; large exports take one or two."""

WALL_SECONDS = 120.0
"""The same in wall-clock time, for hosts with shared cores."""

MEMORY_MB = 512
MAX_REPORT_BYTES = 2**26


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
