"""Messages about a worker process that refused its task or ended early."""

import json
import signal

from ...errors import ExportRefused
from ..inspect.report import printable
from .worker_report import installed_here, installed_versions

__all__ = ["worker_ended", "worker_refused"]

MAX_PRINTED = 600
"""Characters of a refusal that are shown."""

MEMORY = "LOUPE_MEMORY_MB, by default the machine's or the container's"
NO_MEMORY = "MemoryError", "allocate memory", "bad_alloc", "failed to map segment"
OTHER_PYTHON = "code expected at most", "code() "

FAILURES = {
    "compiling": "Its network couldn't be compiled here",
    "comparing": "fastai couldn't run this export here",
}
"""The failure at each stage of the worker, after that of loading the file."""


def worker_refused(data: bytes) -> ExportRefused:
    """Return a worker's refusal, escaped, since the export's own code may have written it."""
    try:
        values = json.loads(data)
        message, stage = printable(str(values["message"]), MAX_PRINTED), str(values["stage"])
        foreign = bool(values["foreign"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ExportRefused("The import process returned an invalid report.")
    if not foreign:
        return ExportRefused(message)
    if any(word in message for word in NO_MEMORY):
        hint = f"There is too little memory for it: {MEMORY}. About 2 GB suffice for most."
    elif any(word in message for word in OTHER_PYTHON):
        hint = (
            "The file carries functions compiled by another Python, and this one is "
            f"{installed_versions()['python']}. Import it with that Python, or put the classes "
            "into a module on PYTHONPATH, there and here, and export again."
        )
    elif stage == "compiling":
        hint = "Its network uses an operation that ONNX can't express."
    else:
        hint = _export_again()
    failure = FAILURES.get(stage, "It couldn't be loaded here")
    return ExportRefused(f"{failure}: {message}. {hint}")


def worker_ended(status: int) -> ExportRefused:
    """Return a refusal for a worker that ended without a report."""
    if status >= 0:
        return ExportRefused(
            f"Its code ended the process (exit status {status}) before it returned a result. "
            f"{_export_again()}"
        )
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return ExportRefused(
        f"Its process was ended by {name}. That happens where memory does not suffice "
        f"({MEMORY}), and where code runs that another version compiled. {_export_again()}"
    )


def _export_again() -> str:
    """Return the installed versions, and what to do if the export's differ."""
    return (
        f"Installed here: {installed_here()}. Where it was trained, bring fastai up to date, load "
        "the weights (learn.load), and call learn.export() again."
    )
