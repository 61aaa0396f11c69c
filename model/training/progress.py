"""Progress of a training run, as reported to its caller."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["OnProgress", "TrainingProgress", "ignore_progress", "print_notes"]


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """``done`` of ``total`` steps of one stage; ``note`` is a line of text.

    If ``total`` is 0, there is only a note.
    """

    stage: str
    done: int = 0
    total: int = 0
    note: str = ""


OnProgress = Callable[[TrainingProgress], None]


def ignore_progress(_: TrainingProgress) -> None:
    """Do nothing."""


def print_notes(progress: TrainingProgress) -> None:
    """Write notes to standard error, for notebooks and scripts."""
    if progress.note:
        sys.stderr.write(f"{progress.note}\n")
