"""Messages about a worker process that refused its task or ended early."""

import json
import signal

from ...errors import ExportRefused
from ..inspect.report import printable
from .worker_report import installed_versions

__all__ = ["worker_ended", "worker_refused"]

MOST_SHOWN = 600
"""Characters of a refusal that are shown."""

MEMORY = "LOUPE_MEMORY_MB, by default the machine's or the container's"
DONE = {
    "loading": "loaded",
    "compiling": "compiled",
    "comparing": "asked for its own answers",
}


def worker_refused(data: bytes) -> ExportRefused:
    """Return a worker's refusal, escaped, since the export's own code may have written it."""
    try:
        values = json.loads(data)
        message, stage = printable(str(values["message"]), MOST_SHOWN), str(values["stage"])
        foreign = bool(values["foreign"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ExportRefused("The import process returned an invalid report.")
    if not foreign:
        return ExportRefused(message)
    done = DONE.get(stage, "loaded")
    graph = "Its network uses an operation that ONNX can't express."
    again = graph if stage == "compiling" else _again()
    hint = _memory(message) or _another_python(message) or again
    return ExportRefused(f"It could not be {done} here: {message}. {hint}")


def worker_ended(status: int) -> ExportRefused:
    """Return a refusal for a worker that ended without a report."""
    if status >= 0:
        return ExportRefused(
            f"Its code ended the process (exit status {status}) before it returned a result. "
            f"{_again()}"
        )
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return ExportRefused(
        f"Its process was ended by {name}. That happens where memory does not suffice "
        f"({MEMORY}), and where code runs that another version compiled. {_again()}"
    )


def _memory(message: str) -> str:
    """Return what to do where an allocation failed."""
    short = "MemoryError", "allocate memory", "bad_alloc", "failed to map segment"
    if not any(word in message for word in short):
        return ""
    return f"There is too little memory for it: {MEMORY}. About 2 GB suffice for most."


def _another_python(message: str) -> str:
    """Return what to do where code compiled by another Python can't be loaded."""
    if "code expected at most" not in message and "code() " not in message:
        return ""
    return (
        "The file carries functions compiled by another Python, and this one is "
        f"{installed_versions()['python']}. Import it with that Python, or put the classes into a "
        "module on PYTHONPATH, there and here, and export again."
    )


def _again() -> str:
    """Return the installed versions, and what to do if the export's are others."""
    here = ", ".join(f"{key} {value}" for key, value in installed_versions().items())
    return (
        f"Installed here: {here}. Where it was trained, bring fastai up to date, load the weights "
        "(learn.load), and call learn.export() again."
    )
