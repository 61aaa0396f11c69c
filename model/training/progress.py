"""How far a training is, for whoever watches."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["TrainingProgress", "Watch", "quiet", "spoken"]


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """``done`` of ``total`` of one stage; ``note`` says more, as a line of its own.

    ``total`` 0: nothing is counted, only the note is new.
    """

    stage: str
    done: int = 0
    total: int = 0
    note: str = ""


Watch = Callable[[TrainingProgress], None]


def quiet(_: TrainingProgress) -> None:
    """Watch nothing."""


def spoken(step: TrainingProgress) -> None:
    """Write notes to standard error, for notebooks and scripts."""
    if step.note:
        sys.stderr.write(f"{step.note}\n")
