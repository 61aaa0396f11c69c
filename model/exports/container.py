"""A file → the pickles in it, followed: torch's zip, torch's older format, or a bare pickle."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from ..errors import ExportRefused
from .archive import MAX_PICKLE, Contents, contents
from .foreign import AGAIN, foreign
from .reading import LEGACY_PICKLES, follow, follow_row
from .report import Problem, shown
from .values import Trace, Value

__all__ = ["Opened", "opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file's pickles, followed: what they do, and the object at the end of the first."""

    format: Literal["zip", "legacy", "pickle"]
    bytes: int
    weights_bytes: int
    root: Value
    trace: Trace
    records: frozenset[str]
    problems: tuple[Problem, ...]


def opened(path: Path) -> Opened:
    """Open a file and follow its pickles.

    Raises:
        ExportRefused: no such file, not an export at all, cut short, or made to
            exhaust the machine.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ExportRefused(f"{shown(str(path), 500)} is not a file. Name the export itself.")
        with path.open("rb") as file:
            head = file.read(512)
            message = foreign(head, status.st_size)
            if message:
                raise ExportRefused(message)
            # torch decides by these bytes, too: anything before the zip makes it a pickle.
            if head.startswith(b"PK\x03\x04"):
                return _zip(contents(file), status.st_size)
            file.seek(0)
            return _pickles(file, status.st_size)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name cannot be used"
        raise ExportRefused(
            f"{shown(str(path), 500)} cannot be read: {reason}. Check its name."
        ) from None


def _zip(found: Contents, size: int) -> Opened:
    trace = Trace(follow_row)
    roots: list[Value] = []
    broken = ""
    for data in found.pickles:
        started = len(trace.roots)
        at = follow(data, trace)
        if at < len(data) and not trace.broken and not trace.limit:
            trace.alarm("There is more behind the end of its pickle.")
            follow_row(data[at:], trace)
        roots.append(_at(trace.roots, started))
        broken, trace.broken = broken or trace.broken, ""
    trace.broken = broken
    problems = list(found.problems)
    if not trace.broken and not trace.storages.keys() <= found.weights.keys():
        problems.append(
            Problem(
                "weights-missing",
                f"Weights that the file speaks of are not in it: it is damaged. {AGAIN}",
                True,
            )
        )
    return Opened(
        "zip",
        size,
        sum(found.weights.values()),
        roots[0],
        trace,
        found.records,
        tuple(problems),
    )


def _pickles(file: BinaryIO, size: int) -> Opened:
    """Pickles in a row: torch's older format, or none of torch's."""
    data = file.read(MAX_PICKLE + 1)
    trace = Trace(follow_row)
    at, legacy = follow_row(data, trace)
    if trace.broken and len(data) > MAX_PICKLE:
        trace.limit = f"it has more than {MAX_PICKLE / 2**20:.0f} MB before its weights"
    if not legacy and not trace.globals and not trace.alarms and (trace.broken or at < 20):
        raise ExportRefused(
            "This is not a fastai export, nor any other pickle: "
            f"{trace.broken or 'it is too short'}. {AGAIN}"
        )
    weights = sum(trace.storages.values())
    if not legacy:
        return Opened("pickle", size, weights, _at(trace.roots, 0), trace, frozenset(), ())
    whole = trace.broken or at + weights + 8 * len(trace.storages) <= size
    if not whole or (len(trace.roots) < LEGACY_PICKLES and not trace.limit):
        trace.broken = trace.broken or "the weights end before they are complete"
    return Opened("legacy", size, weights, _at(trace.roots, 3), trace, frozenset(), ())


def _at(roots: list[Value], index: int) -> Value:
    return roots[index] if len(roots) > index else None
