"""What an export needs and this machine lacks: versions, modules, its own Python."""

import os
import sys
from collections.abc import Iterator, Sequence

from .here import place_of, version_of
from .hints import CODE_ARGUMENTS, python_minor
from .lists import LIBRARIES
from .report import Name, Problem, listed
from .values import Trace

__all__ = ["is_gone", "missing", "versions"]

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"

CODE_HERE = 18
"""Arguments of a code object in Python 3.11 and later, which Loupe needs."""

FASTAI_1 = {"fastai.basic_train", "fastai.basic_data", "fastai.data_block"}
MOVED = {"fastcore.transform", "fastcore.dispatch"}
"""Modules that fastai 2.8 gave up."""


def versions(trace: Trace, names: Sequence[Name]) -> Iterator[Problem]:
    """Other versions of fastai and of Python."""
    modules = {name.module for name in names}
    fastai = version_of("fastai")
    if modules & FASTAI_1:
        yield Problem(
            "fastai-1",
            "The export is of fastai 1, whose modules no longer exist. Train it again with "
            "fastai 2.",
            True,
        )
    if modules & MOVED and fastai and _number(fastai) >= (2, 8):
        yield Problem(
            "older-fastai",
            f"The export is of fastai 2.0 to 2.7. fastai 2.8 ({fastai} is installed here) moved "
            "the classes that prepare photos, and refuses such exports. Where it was trained: "
            "pip install -U fastai, then train and export again.",
            True,
        )
    yield from _python(trace, names)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _python(trace: Trace, names: Sequence[Name]) -> Iterator[Problem]:
    made = python_minor(trace)
    if not trace.codes or made in (None, HERE, CODE_ARGUMENTS[CODE_HERE]):
        return
    if any(code.arguments != CODE_HERE for code in trace.codes):
        yield Problem(
            "other-python",
            f"The file carries compiled code of Python {made}, which Python {HERE} cannot load. "
            f"Export it again with Python {HERE}.",
            True,
        )
    elif any(name.carried and name.role == "network" for name in names):
        yield Problem(
            "other-python",
            f"The network's own code is in the file, compiled by Python {made}, and does not "
            f"run in Python {HERE}. Export it again with Python {HERE}, or put the class into "
            "a module on PYTHONPATH, there and here.",
            True,
        )
    else:
        yield Problem(
            "other-python",
            f"The file carries functions compiled by Python {made}, and here is Python {HERE}. "
            "They are loaded but cannot be run. Answering seldom needs them; if the import fails, "
            f"export it again with Python {HERE}.",
            False,
        )


def missing(names: Sequence[Name]) -> Iterator[Problem]:
    """Functions and classes that are not here, and paths of another system."""
    gone = [name for name in names if not name.carried and is_gone(name)]
    if any(name.module in FASTAI_1 for name in names):
        gone = []  # all of it is from another time
    if version_of("fastai") is None:
        gone = [name for name in gone if name.module.partition(".")[0] not in LIBRARIES]
        yield Problem(
            "no-fastai",
            "fastai is not installed here, and an import needs it: pip install -r "
            "requirements.txt. What else is missing can be seen after that.",
            True,
        )
    networks = [name for name in gone if name.role == "network"]
    own = [name for name in gone if name not in networks and name.module == "__main__"]
    rest = [name for name in gone if name not in [*networks, *own] and name.module not in MOVED]
    if networks:
        yield Problem(
            "missing-network",
            f"The network needs {listed([name.full for name in networks])}, which is not here, "
            "and without it the import cannot work. Put the file that defines it into a folder "
            "named in PYTHONPATH, or install its package. A class from a notebook (__main__) must "
            "move into a module first, and be exported from there.",
            True,
        )
    if own:
        yield Problem(
            "missing-own",
            f"{listed([name.full for name in own])}: written in the notebook or script that "
            "trained, and not here. A label function is not needed for answering, and the import "
            "puts a stand-in there. What prepares photos is needed: move it into a module on "
            "PYTHONPATH, there and here, and export again.",
            False,
        )
    if rest:
        yield Problem(
            "missing-names",
            f"Not installed here: {listed([name.full for name in rest])}. The import puts "
            "stand-ins there. If answering needs one, the import says so: install its package "
            "then, in the version that was used for training.",
            False,
        )
    yield from _paths(names)


def is_gone(name: Name) -> bool:
    """Whether a function or class is not here, by what is installed."""
    if name.module == "__main__":
        return True
    if name.group in ("dangerous", "builtins") or name.module.startswith("pathlib"):
        return False
    return place_of(name.module, name.name) in ("not installed", "no such module", "no such name")


def _paths(names: Sequence[Name]) -> Iterator[Problem]:
    other = "WindowsPath" if os.name == "posix" else "PosixPath"
    if any(name.module.startswith("pathlib") and name.name == other for name in names):
        system = "Windows" if os.name == "posix" else "Linux or macOS"
        yield Problem(
            "other-system",
            f"It was exported on {system}, whose paths cannot be made here. The import takes care "
            "of that; load_learner alone would fail.",
            False,
        )
