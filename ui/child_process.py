"""Programs that run beside this one, and end with it in order."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from model.settings import ROOT

from .tunnels import clean_line

__all__ = ["ChildProcess", "running", "set_by_signals"]

KEPT_LINES = 200
QUOTED_LINES = 12


class ChildProcess:
    """A program in a session of its own, so that Ctrl-C reaches only its parent.

    Args:
        command: the program and its arguments, run in ``ROOT``.
        environment: all its environment variables.
        quiet: whether to keep its output instead of showing it.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, quiet: bool = False
    ) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # Until it ends: a full pipe would stop the program.
        for line in self._process.stdout or ():
            self._lines.append(clean_line(line))

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    @property
    def lines(self) -> list[str]:
        """The last lines of its output, fit for a terminal; none unless it is quiet."""
        if self.exit_code is not None:
            self._reader.join(1)
        return list(self._lines)

    def quote(self) -> str:
        """Return the end of its output, indented."""
        text = [line for line in self.lines if line][-QUOTED_LINES:]
        return "\n".join(f"    {line}" for line in text or ["(nothing)"])

    def end(self, number: int, timeout: float) -> None:
        """Send a signal to the program and what it started; kill them after ``timeout`` seconds."""
        self._signal(number)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        # A wrapper script may have ended before the program that it started.
        self._signal(getattr(signal, "SIGKILL", number))
        self._process.wait()
        self._reader.join(1)
        if self._process.stdout and not self._reader.is_alive():
            self._process.stdout.close()

    def _signal(self, number: int) -> None:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
        else:
            self._process.terminate()


@contextmanager
def running(child: ChildProcess, number: int, timeout: float) -> Iterator[ChildProcess]:
    """End a program at the end of the block, as ``ChildProcess.end`` does."""
    try:
        yield child
    finally:
        child.end(number, timeout)


@contextmanager
def set_by_signals(stopping: threading.Event) -> Iterator[None]:
    """Set the event at Ctrl-C, when the terminal closes, and when the system asks to stop.

    The signals raise no exception, which could come between a program's start and its end.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # What is ignored stays ignored: under nohup, the app outlives its terminal.
    previous = {
        number: signal.signal(number, lambda *_: stopping.set())
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
