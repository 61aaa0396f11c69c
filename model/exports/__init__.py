"""A fastai ``export.pkl``, examined without unpickling it.

    file ─ container ─► pickles ─ opcodes, machine ─► Trace ─ diagnosis ─► Export

A pickle is a program. Here it is read, not run: every instruction is followed with
placeholders in place of objects, so that what it would import and call is known by name.
Nothing is imported for it, neither torch nor fastai nor a module that it names.

None of this proves a file safe. It names what loading would do as far as that can be
seen; a file that carries code of its own can do anything that its author wanted.
"""

from pathlib import Path

from .container import opened
from .diagnosis import diagnose
from .report import Export, Name, Problem

__all__ = ["Export", "Name", "Problem", "examine"]


def examine(path: Path) -> Export:
    """What an export holds, what would fail here, and what to do; takes seconds at most.

    Raises:
        ExportRefused: no such file, not an export at all, cut short, or made to
            exhaust the machine.
    """
    return diagnose(path, opened(path))
