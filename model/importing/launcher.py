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

STAGES = "stages"
REFUSAL = "refusal.json"
REPORT = "report.json"
ANSWERS = "answers.npz"
"""Files that the worker writes into ``out``; the answers are probabilities.

The first line of ``STAGES`` is ``isolated`` if the network is blocked, else ``connected``. After
it, the worker adds the name of each stage that it begins.
"""

MAX_STAGES = 1000
"""Most bytes that ``STAGES`` may have; a longer file is ignored."""

POLL_SECONDS = 0.02

PREFIX = "loupe-import-"
ABANDONED_SECONDS = 24 * 3600
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Environment variables that the worker inherits; none of them is a secret."""


@contextmanager
def sandbox_folder() -> Iterator[Path]:
    """Make a temporary folder for everything that an import writes before its bundle.

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
    """Remove the folders of killed imports; those of running ones are younger."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > ABANDONED_SECONDS and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a worker: wall-clock seconds, CPU seconds (0: unlimited), memory in MB."""

    wall_seconds: float
    cpu_seconds: int
    memory_mb: int


def run(
    folder: Path,
    task: dict[str, Any],
    limits: Limits,
    on_stage: Callable[[str], None] = lambda _: None,
) -> int:
    """Run the worker in a sandbox folder to its end.

    The export's own code may have written the stages that ``on_stage`` gets.

    Returns:
        Its exit status, negative for a signal.

    Raises:
        ExportRefused: it took too long.
    """
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            _command(folder, limits),
            cwd=folder / "home",
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _watch(process, folder, limits.wall_seconds, on_stage)
    finally:
        # Kill its children as well, even if Ctrl-C ended the wait.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def open_file(path: Path) -> int:
    """Open a worker's file only if it is a plain file: code may have made a link or a pipe.

    Raises:
        OSError: the file is not a plain one.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path.name} is not a plain file")
    return handle


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a worker's file.

    Raises:
        OSError: the file is not a plain one, or is larger.
    """
    with os.fdopen(open_file(path), "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(f"{path.name} is larger than {max_bytes:,} bytes")
    return data


def _command(folder: Path, limits: Limits) -> list[str]:
    memory, parent = str(limits.memory_mb * 2**20), str(os.getpid())
    run_worker = [sys.executable, "-P", "-m", f"{__package__}.worker", str(folder), parent]
    start = [sys.executable, "-I", "-S", isolation.__file__, parent, memory]
    return [*start, str(limits.cpu_seconds), str(folder / "out" / STAGES), *run_worker]


def _environment(folder: Path) -> dict[str, str]:
    """Return the worker's environment: an allow-list, with a home of its own."""
    home = str(folder / "home")
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = [str(Path(part).resolve()) for part in given if part]
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "HOME": home,
        "TMPDIR": home,
        # Loupe first: the owner may have a module named `model` as well.
        "PYTHONPATH": os.pathsep.join([str(ROOT), *own]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": str(settings().threads),
        # Packages may be installed in the owner's real home.
        **({"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}),
    }


def _watch(
    process: subprocess.Popen[bytes],
    folder: Path,
    seconds: float,
    on_stage: Callable[[str], None],
) -> int:
    end, count = time.monotonic() + seconds, 0
    while True:
        status = process.poll()
        for stage in _stages(folder)[count:]:
            count += 1
            on_stage(stage)
        if status is not None:
            return status
        if time.monotonic() > end:
            raise ExportRefused(f"It timed out after {seconds:.0f} s. Nothing was written.")
        time.sleep(POLL_SECONDS)


def _stages(folder: Path) -> list[str]:
    """Return the complete lines of the stages' file; none if it is no plain file or too large."""
    with suppress(OSError):
        text = read_file(folder / "out" / STAGES, MAX_STAGES).decode(errors="replace")
        return text.split("\n")[:-1]
    return []
