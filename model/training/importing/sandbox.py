"""A process of its own for an export's code: no secrets, limits, gone when its parent is."""

import json
import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...errors import ExportRefused
from ...settings import ROOT, settings
from . import enclosed

__all__ = ["ANSWERS", "REFUSAL", "STAGE", "run", "workroom"]

STAGE = "stage"
REFUSAL = "refusal.json"
ANSWERS = "answers.npz"
"""What the child writes into ``out``: what it is at, or why it cannot, or fastai's answers."""

PREFIX = "loupe-import-"
ABANDONED_SECONDS = 24 * 3600
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Variables that the child gets as they are: none of them is a secret."""


@contextmanager
def workroom() -> Iterator[Path]:
    """A temporary folder with all that an import writes before its bundle; gone afterwards."""
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


def run(
    folder: Path,
    task: dict[str, Any],
    seconds: float,
    *,
    network: Callable[[bool], None],
    stage: Callable[[str], None],
) -> int:
    """Run the child in a workroom to its end; returns its exit status, negative for a signal.

    Args:
        task: what ``child`` is told.
        seconds: it may take.
        network: told whether it has none.
        stage: told what it is at, each once.

    Raises:
        ExportRefused: it took too long.
    """
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            _command(folder),
            cwd=folder / "home",
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _watch(process, folder, seconds, network, stage)
    finally:
        # Also what it started, and also when Ctrl-C ended the wait.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(folder: Path) -> list[str]:
    memory, parent = str(settings().memory_mb * 2**20), str(os.getpid())
    child = [sys.executable, "-P", "-m", f"{__package__}.child", str(folder), parent]
    start = [sys.executable, "-I", "-S", enclosed.__file__]
    return [*start, parent, memory, str(folder / "network"), *child]


def _environment(folder: Path) -> dict[str, str]:
    """What the child may know: an allow-list, with a home of its own."""
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
    network: Callable[[bool], None],
    stage: Callable[[str], None],
) -> int:
    end, known, told = time.monotonic() + seconds, "", False
    while True:
        status = process.poll()
        note = folder / "network"
        if not told and note.exists() and (text := note.read_text()):
            told = True
            network(text == "none")
        if (now := _stage(folder)) != known:
            known = now
            stage(now)
        if status is not None:
            return status
        if time.monotonic() > end:
            raise ExportRefused(
                f"It was not ready after {seconds:.0f} seconds and was stopped. Nothing was "
                "written."
            )
        time.sleep(0.05)


def _stage(folder: Path) -> str:
    path = folder / "out" / STAGE
    with suppress(OSError):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 100:
            return path.read_bytes()[:100].decode(errors="replace")
    return ""
