"""A separate process for an export: no secrets in its environment, limits, ends with its parent."""

import json
import os
import shutil
import signal
import site
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ExportRefused
from ..settings import ROOT, settings
from . import isolation

__all__ = [
    "ANSWERS",
    "REFUSAL",
    "REPORT",
    "STAGE",
    "Limits",
    "open_file",
    "read_file",
    "run",
    "workroom",
]

STAGE = "stage"
REFUSAL = "refusal.json"
REPORT = "report.json"
ANSWERS = "answers.npz"
"""What workers write into ``out``: the stage, why it failed, what was found, probabilities."""

POLL_SECONDS = 0.02

PREFIX = "loupe-import-"
ABANDONED_SECONDS = 24 * 3600
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Variables that the child gets as they are: none of them is a secret."""


@contextmanager
def workroom() -> Iterator[Path]:
    """Make a temporary folder for all that an import writes before its bundle.

    Raises:
        ExportRefused: this system can't start a process with limits.
    """
    if not hasattr(os, "killpg"):
        raise ExportRefused(
            "Exports are read in a process with limits, which Windows doesn't offer. Run this on "
            "Linux, on macOS or in WSL (learn.microsoft.com/windows/wsl)."
        )
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    try:
        for name in ("home", "out", "photos"):
            (folder / name).mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove what imports that were killed left behind; one that is under way is younger."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > ABANDONED_SECONDS and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may use: seconds by the clock, seconds of computing (0: any), megabytes."""

    wall_seconds: float
    cpu_seconds: int
    memory_mb: int


def run(
    folder: Path,
    worker: str,
    task: dict[str, Any],
    limits: Limits,
    *,
    on_network: Callable[[bool], None] = lambda _: None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> int:
    """Run a worker in a workroom to its end; returns its exit status, negative for a signal.

    Args:
        folder: the workroom.
        worker: the module that is run.
        task: its instructions.
        limits: the resources that it may use.
        on_network: called once with whether it has no network.
        on_stage: called with each stage once.

    Raises:
        ExportRefused: it took too long.
    """
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            _command(folder, worker, limits),
            cwd=folder / "home",
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _watch(process, folder, limits.wall_seconds, on_network, on_stage)
    finally:
        # Also what it started, and also when Ctrl-C ended the wait.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def open_file(path: Path) -> int:
    """Open a worker's file only if it is a plain file: code may have made a link or a pipe.

    Raises:
        OSError: it is none.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path.name} is no plain file")
    return handle


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a worker's file.

    Raises:
        OSError: it is no plain file, or larger.
    """
    with os.fdopen(open_file(path), "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(f"{path.name} is larger than it can be")
    return data


def _command(folder: Path, worker: str, limits: Limits) -> list[str]:
    memory, parent = str(limits.memory_mb * 2**20), str(os.getpid())
    run_worker = [sys.executable, "-P", "-m", worker, str(folder), parent]
    start = [sys.executable, "-I", "-S", isolation.__file__, parent, memory]
    return [*start, str(limits.cpu_seconds), str(folder / "network"), *run_worker]


def _environment(folder: Path) -> dict[str, str]:
    """Return the worker's environment: an allow-list, with a home of its own."""
    home = str(folder / "home")
    own = [str(Path(part).resolve()) for part in _python_path() if part]
    threads = str(settings().threads)
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "HOME": home,
        "TMPDIR": home,
        # First Loupe itself: an own module may be called "model", too.
        "PYTHONPATH": os.pathsep.join([str(ROOT), *own]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads,
        # Packages may lie below the owner's real home.
        **({"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}),
    }


def _python_path() -> list[str]:
    return os.environ.get("PYTHONPATH", "").split(os.pathsep)


def _watch(
    process: subprocess.Popen[bytes],
    folder: Path,
    seconds: float,
    on_network: Callable[[bool], None],
    on_stage: Callable[[str], None],
) -> int:
    end, known, told = time.monotonic() + seconds, "", False
    while True:
        status = process.poll()
        note = folder / "network"
        if not told and note.exists() and (text := note.read_text()):
            told = True
            on_network(text == "none")
        if (now := _stage(folder)) != known:
            known = now
            on_stage(now)
        if status is not None:
            return status
        if time.monotonic() > end:
            raise ExportRefused(
                f"It was not ready after {seconds:.0f} seconds and was stopped. Nothing was "
                "written."
            )
        time.sleep(POLL_SECONDS)


def _stage(folder: Path) -> str:
    path = folder / "out" / STAGE
    with suppress(OSError):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 100:
            return path.read_bytes()[:100].decode(errors="replace")
    return ""
