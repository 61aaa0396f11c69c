"""The app started as a host starts it: to a first answer, within its memory, and to its end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from model.settings import ROOT

from ..errors import DeployError
from ..host import Host
from ..ports import free_port
from .asking import Question, ask, best, questions
from .checking import CheckResult, State
from .memory import Watch
from .starting import Start, start_of

__all__ = ["check_start"]

EVERY = 0.1
"""Seconds between two questions whether it is ready."""


def check_start(host: Host, start: Start | None = None) -> list[CheckResult]:
    """Start the app with the host's command, ask it once, end it; a line for each.

    Args:
        host: whose routes are asked.
        start: how, by default as the host's files say.
    """
    try:
        return list(_run(host, start or start_of(host)))
    except DeployError as error:
        return [CheckResult("start", State.FAILED, str(error), "Mend the file that it names.")]


def _run(host: Host, start: Start) -> Iterator[CheckResult]:
    with TemporaryDirectory(prefix="loupe-") as folder:
        port, log = free_port(), Path(folder) / "log"
        health, photo = questions(host, start.environment)
        base = f"http://127.0.0.1:{port}"
        process = _launch(start, port, Path(folder) / "data", log)
        watch = Watch(process.pid)
        watch.start()
        try:
            ready = _wait(start, process, base, health, log)
            yield ready
            if ready.state is State.OK:
                yield _first_answer(base, photo)
        finally:
            watch.stop()
            ended = _end(process, start.stop_seconds)
        if ready.state is State.OK:
            yield _memory(watch.most, start)
            yield ended


def _launch(start: Start, port: int, data: Path, log: Path) -> subprocess.Popen[bytes]:
    """The command in a process group of its own, with no setting of this machine's owner.

    Raises:
        DeployError: it cannot be run at all.
    """
    ours = ("LOUPE_", "STREAMLIT_", "AIP_", "SPACE_", "SAGEMAKER_", "PORT")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    own = {
        "LOUPE_DATA": str(data),
        start.port_variable: str(port),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    data.mkdir()
    with log.open("wb") as output:
        try:
            return subprocess.Popen(
                start.command,
                cwd=ROOT,
                env={**clean, **start.environment, **own},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise DeployError(f"{start.command[0]} cannot be run: {error.strerror}.") from error


def _wait(
    start: Start, process: subprocess.Popen[bytes], base: str, health: Question, log: Path
) -> CheckResult:
    """Ask until it is ready, ends, or the host's patience is over."""
    began, said = time.monotonic(), ""
    command = " ".join(start.command).replace(str(ROOT), ".")
    while (left := began + start.seconds - time.monotonic()) > 0 and process.poll() is None:
        with contextlib.suppress(OSError):
            # The port is open before the app answers: the question itself takes most of the start.
            status, said = ask(base, health, left)
            seconds = time.monotonic() - began
            if status == 200:
                ready = f"{command}: {health.path} answers after {seconds:.1f} s"
                return CheckResult("start", State.OK, ready)
        time.sleep(EVERY)
    wrote = log.read_text(errors="replace").strip()[-600:]
    gone = process.poll() is not None
    why = f"ended with {process.returncode}" if gone else f"not ready in {start.seconds} s"
    last = f"{health.path} says {said[:200]}. " if said else ""
    return CheckResult(
        "start", State.FAILED, f"{command}: {why}", f"{last}It wrote: {wrote or 'nothing'}"
    )


def _first_answer(base: str, photo: Question) -> CheckResult:
    what, todo = "first answer", "Try the same request on `make run`; the log says more."
    path = photo.path.partition("?")[0]
    try:
        status, said = ask(base, photo)
    except OSError as error:
        return CheckResult(what, State.FAILED, f"{path}: {error}", todo)
    found = best(said) if status == 200 else None
    if found is None:
        return CheckResult(what, State.FAILED, f"{path}: {status} {said[:200]}", todo)
    return CheckResult(what, State.OK, f"{path}: {found[0]}, {found[1]:.0%}")


def _memory(most: float, start: Start) -> CheckResult:
    what, limit = "memory while running", start.memory_mb
    if limit is None:
        return CheckResult(what, State.NOTE, f"{most:.0f} MB; no limit is known")
    said = f"{most:.0f} MB of {limit} MB"
    if most > limit:
        return CheckResult(what, State.FAILED, said, "It does not fit: choose a larger plan.")
    return CheckResult(what, State.OK, said)


def _end(process: subprocess.Popen[bytes], patience: int) -> CheckResult:
    """SIGTERM, and SIGKILL for the group when that is not heard."""
    began = time.monotonic()
    if process.poll() is None:
        process.terminate()
    try:
        code = process.wait(patience)
        ended = f"ended with {code} {time.monotonic() - began:.1f} s after SIGTERM"
    except subprocess.TimeoutExpired:
        code, ended = None, f"still runs {patience} s after SIGTERM"
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if code in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
        return CheckResult("end", State.OK, ended)
    todo = "The start command must exec the app, so that the signal arrives."
    return CheckResult("end", State.FAILED, ended, todo)
