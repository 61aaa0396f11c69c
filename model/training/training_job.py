"""The training process: one at a time in a data folder, started and stopped by page or command."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import DataError
from ..settings import ROOT, settings
from ..storage.atomic import replace_atomically
from ..storage.disk import make_folder
from .config import CONFIG_FILE, TrainingConfig

STOP_SECONDS = 4.0
"""Time that a process has to end after SIGINT before it is killed, in seconds."""

LOCK_SECONDS = 2.0
"""Time to wait for the lock, which ``current_job`` takes for an instant, in seconds."""

LOWEST_PRIORITY = 19
MIN_MEMORY_MB = 3072
"""Least memory for training while the app answers visitors, in MB; training alone takes 2,400."""


@dataclass(frozen=True, slots=True)
class Job:
    """The process that holds the lock, and the model that it trains."""

    pid: int
    model: str


def training_folder() -> Path:
    """Return the folder with a folder per unfinished run, by the model's name."""
    return settings().data / "training"


def get_run_dir(name: str) -> Path:
    """Return the folder with everything that resuming the run of that name needs."""
    return training_folder() / name


@contextmanager
def training_lock(model: str) -> Iterator[None]:
    """Hold the data folder's lock, since memory may be enough for one training only.

    The system frees it when the process ends, however that happens.

    Raises:
        DataError: another process holds it.
    """
    make_folder(training_folder())
    try:
        with _lock(LOCK_SECONDS):
            with replace_atomically(_holder()) as temporary:
                temporary.write_text(f"{os.getpid()} {model}")
            try:
                yield
            finally:
                _holder().unlink(missing_ok=True)
    except Timeout:
        job = current_job()
        what = f"training {job.model!r}" if job else "training a model"
        raise DataError(
            f"Another process is {what}. Wait until it is done, or stop it first."
        ) from None


def current_job() -> Job | None:
    """Return the process that trains now, None if there is none."""
    if not training_folder().is_dir():
        return None
    try:
        with _lock(0):
            # Left by a process that was killed.
            _holder().unlink(missing_ok=True)
            return None
    except Timeout:
        # Without this file, another call of this function holds the lock.
        with suppress(OSError, ValueError):
            pid, _, model = _holder().read_text().partition(" ")
            return Job(int(pid), model)
        return None


def start_job(*arguments: object) -> None:
    """Start ``python -m model train`` with arguments, in a session of its own.

    It outlives this process, and has the lowest priority, so that visitors come first.

    Raises:
        DataError: another training is running, or this one ended before it began.
    """
    if current_job():
        raise DataError("Another training is running. Wait until it is done, or stop it.")
    make_folder(training_folder())
    log = training_folder() / ".log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "model", "train", *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "LOUPE_DATA": str(settings().data.resolve())},
        )
    with suppress(OSError, AttributeError):  # Windows has none
        os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
    while process.poll() is None:
        if (job := current_job()) and job.pid == process.pid:
            # Without a wait, it would stay a zombie after its end.
            threading.Thread(target=process.wait, daemon=True).start()
            return
        time.sleep(0.1)
    if process.returncode:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        # The command prints the message after "Error:" and before the error's code.
        said = re.sub(r"^Error: | \[[a-z-]+\]$", "", lines[-1]) if lines else ""
        raise DataError(said[:500] or "The training didn't start.")


def stop_job() -> None:
    """Stop the process that trains, within five seconds; what it has saved stays."""
    if not (job := current_job()) or not job.pid:
        return
    # On Windows, either ends it immediately.
    kill = getattr(signal, "SIGKILL", signal.SIGTERM)
    for sent, seconds in ((signal.SIGINT, STOP_SECONDS), (kill, 1.0)):
        with suppress(ProcessLookupError):
            os.kill(job.pid, sent)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if current_job() != job:
                return
            time.sleep(0.1)


def unfinished_runs() -> list[TrainingConfig]:
    """Return the configurations of runs that can be resumed, without the one that runs now."""
    job = current_job()
    saved = (
        TrainingConfig.load(path.parent) for path in training_folder().glob(f"*/{CONFIG_FILE}")
    )
    return [config for config in saved if config and not (job and config.name == job.model)]


def discard_run(name: str) -> None:
    """Delete what an unfinished run has saved.

    Raises:
        DataError: a training is running.
    """
    with training_lock(name):
        shutil.rmtree(get_run_dir(name), ignore_errors=True)


def why_not_here() -> str:
    """Return why this host cannot train, as a sentence for the owner; "" if it can."""
    if settings().memory_mb < MIN_MEMORY_MB:
        return (
            f"Training beside the app needs {MIN_MEMORY_MB:,} MB of memory; this host gives "
            f"{settings().memory_mb:,} MB."
        )
    if find_spec("fastai") is None or find_spec("torch") is None:
        return "Training needs the full install (requirements.txt), which this host lacks."
    return ""


def _lock(seconds: float) -> FileLock:
    return FileLock(training_folder() / ".lock", timeout=seconds)


def _holder() -> Path:
    return training_folder() / ".holder"
