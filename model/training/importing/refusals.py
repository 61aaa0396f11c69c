"""What a child process's end means, in words."""

import json
import signal
from collections.abc import Mapping

from ...errors import ExportRefused
from ...exports.report import shown
from .found import installed

__all__ = ["ended", "refused"]

MOST_SHOWN = 600
"""Characters of a refusal that are shown."""

MEMORY = "LOUPE_MEMORY_MB, by default the machine's or the container's"
DONE = {
    "loading": "loaded",
    "compiling": "compiled",
    "comparing": "asked for its own answers",
}


def refused(data: bytes, inferred: Mapping[str, str]) -> ExportRefused:
    """The child's refusal, fit for a terminal: the export's code may have written it."""
    try:
        values = json.loads(data)
        message, stage = shown(str(values["message"]), MOST_SHOWN), str(values["stage"])
        foreign = bool(values["foreign"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ExportRefused("Its process told nothing that makes sense.")
    if not foreign:
        return ExportRefused(message)
    done = DONE.get(stage, "loaded")
    graph = "Its network does something that has no place in an ONNX graph."
    again = graph if stage == "compiling" else _again(inferred)
    hint = _memory(message) or _another_python(message) or again
    return ExportRefused(f"It could not be {done} here: {message}. {hint}")


def ended(status: int, inferred: Mapping[str, str]) -> ExportRefused:
    """A refusal for a process that ended without a word."""
    if status >= 0:
        return ExportRefused(
            f"Its code ended the process (exit status {status}) before there was an answer. "
            f"{_again(inferred)}"
        )
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return ExportRefused(
        f"Its process was ended by {name}. That happens where memory does not suffice "
        f"({MEMORY}), and where code runs that another version compiled. {_again(inferred)}"
    )


def _memory(message: str) -> str:
    """What to do where an allocation failed."""
    short = "MemoryError", "allocate memory", "bad_alloc", "failed to map segment"
    if not any(word in message for word in short):
        return ""
    return f"There is too little memory for it: {MEMORY}. About 2 GB suffice for most."


def _another_python(message: str) -> str:
    """What to do where code compiled by another Python cannot be loaded."""
    if "code expected at most" not in message and "code() " not in message:
        return ""
    return (
        "The file carries functions compiled by another Python, and this one is "
        f"{installed()['python']}. Export it again with Python {_minor()}, or keep own functions "
        "and classes in a module on PYTHONPATH, there and here."
    )


def _again(inferred: Mapping[str, str]) -> str:
    """Which versions wrote it, as far as that can be seen, and which are here."""
    wrote = ", ".join(f"{key} {value}" for key, value in inferred.items())
    here = ", ".join(f"{key} {value}" for key, value in installed().items())
    said = f"As far as can be seen it was written by {wrote}; here" if wrote else "Here"
    return (
        f"{said} are {here}. Where it was trained, bring fastai up to date, load the weights "
        "(learn.load), and call learn.export() again."
    )


def _minor() -> str:
    return ".".join(installed()["python"].split(".")[:2])
