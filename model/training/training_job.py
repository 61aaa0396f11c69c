"""The training process, one per data folder at a time: its lock, its start and its stop."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from ..errors import DataError
from ..resources import cores
from ..settings import ROOT, settings
from ..storage.disk import make_folder, replace_atomically
from .config import CONFIG_FILE, DEFAULT_EPOCHS, TrainingConfig
from .run_record import CHECK, RunRecord, read_run

STOP_SECONDS = 4.0
"""Time that a process has to end after SIGINT before it is killed, in seconds."""

LOCK_SECONDS = 2.0
"""Longest wait for the lock, which ``current_job`` holds for a moment, in seconds."""

LOWEST_PRIORITY = 19
MIN_MEMORY_MB = 3072
"""Least memory for training while the app answers visitors, in MB; training alone takes 2,400."""


@dataclass(frozen=True, slots=True)
class Job:
    """The process that holds the lock, and the model that it trains."""

    pid: int
    model: str


def unfinished_folder() -> Path:
    """Return the folder of unfinished runs, one folder per model."""
    return settings().data / "training"


def get_run_dir(name: str) -> Path:
    """Return the folder with everything that resuming the run of that name needs."""
    return unfinished_folder() / name


@contextmanager
def training_lock(model: str) -> Iterator[None]:
    """Hold the data folder's training lock; there may not be enough memory for two runs at once.

    The operating system releases the lock when the process ends, even if it is killed.

    Raises:
        DataError: another process holds the lock.
    """
    make_folder(unfinished_folder())
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
    if not unfinished_folder().is_dir():
        return None
    try:
        with _lock(0):
            # A killed process may have left this file behind.
            _holder().unlink(missing_ok=True)
            return None
    except Timeout:
        # If the file is missing, another call of this function holds the lock.
        with suppress(OSError, ValueError):
            pid, _, model = _holder().read_text().partition(" ")
            if psutil.pid_exists(int(pid)):
                return Job(int(pid), model)
        return None


def start_job(*arguments: object) -> None:
    """Start ``python -m model train`` with arguments, in a session of its own.

    The process outlives this one and has the lowest priority, so that visitors come first.

    Raises:
        DataError: another run is in progress, or the process failed before it took the lock.
    """
    if current_job():
        raise DataError("Another training run is in progress. Wait until it is done, or stop it.")
    make_folder(unfinished_folder())
    # Its own until it holds the lock: another process may be about to take that.
    descriptor, name = tempfile.mkstemp(prefix=".log-", dir=unfinished_folder())
    log = Path(name)
    with os.fdopen(descriptor, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "model", "train", *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "LOUPE_DATA": str(settings().data.resolve())},
        )
    with suppress(OSError, AttributeError):  # Windows has no setpriority
        os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
    while process.poll() is None:
        if (job := current_job()) and _runs_in(process, job):
            _show(log)
            threading.Thread(target=_await_end, args=(process, log), daemon=True).start()
            return
        time.sleep(0.1)
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    log.unlink()
    if process.returncode:
        # The command prints the message after "Error:" and before the error's code.
        message = re.sub(r"^Error: | \[[a-z-]+\]$", "", lines[-1]) if lines else ""
        raise DataError(message[:500] or "Training didn't start.")


def _show(log: Path) -> None:
    with suppress(OSError):  # Windows renames no open file
        log.replace(unfinished_folder() / ".log")


def _await_end(process: "subprocess.Popen[bytes]", log: Path) -> None:
    # Until it is waited for, an ended child process stays a zombie.
    process.wait()
    if log.exists():
        _show(log)


def _runs_in(process: "subprocess.Popen[bytes]", job: Job) -> bool:
    """Return whether a process, or one that it started, has the job: Windows' Python starts one."""
    if job.pid == process.pid:
        return True
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
        return job.pid in [child.pid for child in children]
    return False


def stop_job() -> None:
    """Stop the process that trains, within five seconds; what it has saved stays."""
    job = current_job()
    if job is None or job.pid == os.getpid():
        return
    # On Windows, both signals end the process immediately.
    kill = getattr(signal, "SIGKILL", signal.SIGTERM)
    for sent, seconds in ((signal.SIGINT, STOP_SECONDS), (kill, 1.0)):
        with suppress(OSError):
            os.kill(job.pid, sent)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if current_job() != job:
                return
            time.sleep(0.1)


def unfinished_runs() -> list[TrainingConfig]:
    """Return the configurations of runs that can be resumed, except the run in progress."""
    job = current_job()
    saved = (
        TrainingConfig.load(path.parent) for path in unfinished_folder().glob(f"*/{CONFIG_FILE}")
    )
    return [config for config in saved if config and not (job and config.name == job.model)]


def require_idle(name: str) -> None:
    """Check that the photos of a model may change now.

    Raises:
        DataError: they are being trained on or checked, or a run on them is unfinished.
    """
    if (job := current_job()) and job.model == name:
        raise DataError(f"The photos of {name!r} are in use. Wait for that to end, or stop it.")
    if any(config.name == name for config in unfinished_runs()):
        raise DataError(f"A run on {name!r} is unfinished. Continue or discard it first.")


def discard_run(name: str) -> None:
    """Delete what an unfinished run has saved.

    Raises:
        DataError: a run is in progress.
    """
    with training_lock(name):
        saved = TrainingConfig.load(get_run_dir(name))
        if saved and saved.run and (record := read_run(saved.run)) and record.state == "running":
            record.state = "stopped"
            record.save()
        shutil.rmtree(get_run_dir(name), ignore_errors=True)


def find_training_obstacle() -> str:
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
    return FileLock(unfinished_folder() / ".lock", timeout=seconds)


def _holder() -> Path:
    return unfinished_folder() / ".holder"


FIRST_EPOCH_PHOTOS = 250
"""Fewest photos with which the network itself is trained."""

STAGES = {
    "Starting": (8.0, 0.0),
    "Reading photos": (0.0, 0.010),
    "Held-out photos": (0.0, 0.010),
    "Features": (0.0, 0.046),
    "Learning rate": (26.0, 0.0),
    "Fine-tuning": (0.0, 0.068 * DEFAULT_EPOCHS),
    "Compiling": (7.0, 0.0),
    "Full graph": (0.0, 0.008),
    "Small graph": (0.0, 0.008),
    "Training photos": (0.0, 0.006),
    "Calibrating": (4.0, 0.0),
}
"""The stages in order: seconds in any case, and per photo on one core, measured with lite0."""

ORDER = tuple(STAGES)
LAST_RUNS = 3
PARTS = ("trained", "held_out", "test")

FINE_TUNING_STAGES = ("Learning rate", "Fine-tuning", "Training photos")
CHECK_STAGES = ("Starting", "Reading photos", "Held-out photos", "Features")
"""Stages of a check."""


def estimate_seconds(photos: int, arch: str, runs: Sequence[RunRecord]) -> float:
    """Return the estimated duration of a training, in seconds, without a search."""
    return sum(_expect(photos, arch, runs).values())


def seconds_left(record: RunRecord, runs: Sequence[RunRecord]) -> float:
    """Return the estimated time that a run or a check still takes, in seconds."""
    left = sum(stages_left(record, runs).values())
    if all(stage.name != "Searching" or not stage.done for stage in record.stages):
        left += 60 * float(record.parameters.get("search") or 0)
    if record.stages:
        current = record.stages[-1]
        if current.done:
            left += current.seconds / current.done * (current.total - current.done)
        else:
            expected = _expect(_count(record), _network(record), runs).get(current.name, 0.0)
            left += max(0.0, expected - current.seconds)
    return max(left, 1.0)


def stages_left(record: RunRecord, runs: Sequence[RunRecord]) -> dict[str, float]:
    """Return the stages after the current one, each with its estimated seconds."""
    expected = _expect(_count(record), _network(record), runs)
    names = [name for name in ORDER if expected.get(name)]
    if record.number == CHECK:
        names = [name for name in names if name in CHECK_STAGES]
    begun = [ORDER.index(stage.name) for stage in record.stages if stage.name in ORDER]
    return {name: expected[name] for name in names if ORDER.index(name) > max(begun, default=-1)}


def _count(record: RunRecord) -> int:
    """Return the number of photos of a run; until they are read, the longest stage's, or 100."""
    photos = sum(record.counts.get(part, 0) for part in PARTS)
    return photos or max((stage.total for stage in record.stages), default=0) or 100


def _network(record: RunRecord) -> str:
    return str(record.parameters.get("arch", "lite0"))


def _expect(photos: int, arch: str, runs: Sequence[RunRecord]) -> dict[str, float]:
    """Return the expected seconds of each stage, scaled from the last runs of the same network."""
    measured: dict[str, float] = {}
    known = [run for run in runs if run.state == "done" and _network(run) == arch and run.counts]
    for run in known[:LAST_RUNS]:
        share = photos / max(1, sum(run.counts.get(part, 0) for part in PARTS))
        for stage in run.stages:
            is_fixed = stage.name in STAGES and not STAGES[stage.name][1]
            seconds = stage.seconds * (1 if is_fixed else share)
            # The longest, since runs that reuse cached copies and features are quicker.
            measured[stage.name] = max(measured.get(stage.name, 0.0), seconds)
    usual = {name: fixed + rate * photos / cores() for name, (fixed, rate) in STAGES.items()}
    # The last runs may have had too few photos for fine-tuning.
    missing = FINE_TUNING_STAGES if known else usual.keys()
    expected = {name: measured.get(name, usual.get(name, 0.0)) for name in {*measured, *missing}}
    if photos < FIRST_EPOCH_PHOTOS and not measured.get("Fine-tuning"):
        expected = {name: s for name, s in expected.items() if name not in FINE_TUNING_STAGES}
    return {name: expected[name] for name in ORDER if name in expected}
