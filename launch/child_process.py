"""Programs that run beside this one and end with it, and their output."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from click import unstyle

from model.settings import ROOT
from model.text import escape

Process = subprocess.Popen[str]

KEPT_LINES = 200
QUOTED_LINES = 12


@contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str],
    stop: signal.Signals,
    stop_seconds: float,
    stdout: int | None = None,
) -> Iterator[Process]:
    """Run a program, in ``ROOT``, until the end of the block.

    It has a process group of its own, so that Ctrl-C reaches only its parent. The group gets the
    signal ``stop``, and is killed ``stop_seconds`` later.
    """
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stdout and subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _signal(process, stop)
        with suppress(subprocess.TimeoutExpired):
            process.wait(stop_seconds)
        # A wrapper script may have ended before the program that it started.
        _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()


def _signal(process: Process, number: int) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
    else:
        process.terminate()


class Output:
    """The last lines that a program printed, fit for a terminal."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # Read to the end: a full pipe would block the program.
        for line in self._process.stdout or ():
            self._lines.append(escape(unstyle(line).rstrip()))

    @property
    def lines(self) -> list[str]:
        """The last lines; all of them once the program has ended."""
        if self._process.poll() is not None:
            self._reader.join(1)
        return list(self._lines)

    def quote(self) -> str:
        """Return the last lines, indented."""
        text = [line for line in self.lines if line][-QUOTED_LINES:]
        return "\n".join(f"    {line}" for line in text or ["(nothing)"])
