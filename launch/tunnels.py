"""Tunnel programs: the command of each, and the pattern of the address in its output.

To add one, add a row to ``TUNNELS``.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from click import unstyle

from model.settings import ROOT
from model.text import escape

ADDRESS = r"(https://[a-zA-Z0-9.-]+(?::\d{1,5})?)/?"
"""An address without a path, a query or a user: a link in a message mostly has one."""
FIELD = r'[^\s="]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]*)'
"""A field of a log record (logfmt)."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A program that serves a local port at a public https address."""

    name: str
    """The program's name, as in PATH."""
    arguments: str
    """Its command-line arguments; ``{port}`` stands for the local port."""
    pattern: str
    """Regular expression whose group is the address; ^ and $ are the ends of a line."""
    hint: str
    """Its requirements, and its address for installing."""
    passage: str
    """A sentence on the servers that photos pass through."""

    def command(self, port: int) -> list[str] | None:
        """Return the command that publishes a port, or None if the program isn't installed."""
        program = shutil.which(self.name)
        return [program, *self.arguments.format(port=port).split()] if program else None

    def find_address(self, lines: Sequence[str]) -> str | None:
        """Return the public address that lines of output name, without a slash at the end."""
        match = re.search(self.pattern, "\n".join(lines), re.MULTILINE)
        return match and match[1]


_ROWS = (
    Tunnel(
        name="cloudflared",
        arguments="tunnel --no-autoupdate --url http://127.0.0.1:{port}",
        # In the box below the announcement of a quick tunnel.
        pattern=rf"\| +Your quick Tunnel has been created!.*\|\n.*\| +{ADDRESS} +\|$",
        hint="no account needed: https://github.com/cloudflare/cloudflared#installing-cloudflared",
        passage="Photos pass through Cloudflare's servers, which can read them.",
    ),
    Tunnel(
        name="tailscale",
        arguments="funnel {port}",
        pattern=rf"^Available on the internet:\n+{ADDRESS}$",
        hint="free account, allow Funnel once: https://tailscale.com/download",
        passage="Photos pass through Tailscale's relays, encrypted up to this machine.",
    ),
    Tunnel(
        name="ngrok",
        arguments="http http://127.0.0.1:{port} --log stdout --log-format logfmt",
        # In the log record of a started tunnel.
        pattern=rf'^(?:{FIELD} )*msg="started tunnel" (?:{FIELD} )*url={ADDRESS}(?: {FIELD})*$',
        hint="free account and its authtoken: https://ngrok.com/download",
        passage="Photos pass through ngrok's servers, which can read them.",
    ),
)

TUNNELS = {tunnel.name: tunnel for tunnel in _ROWS}
"""The programs by name, in the order in which they are tried."""

Process = subprocess.Popen[str]

KEPT_LINES, QUOTED_LINES = 200, 12
"""Lines of a program's output that are kept, and that a message repeats."""


@contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str],
    stop: signal.Signals,
    stop_seconds: float,
    stdout: int | None = None,
) -> Iterator[Process]:
    """Run a program in ``ROOT`` while the block runs.

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
