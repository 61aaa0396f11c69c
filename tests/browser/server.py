"""The app as people start it, in a process group of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from deploy.ports import free_port
from tests.waiting import wait_until

__all__ = ["ROOT", "Server", "serving"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60
"""Longest wait for the app to start."""


class Server:
    """A running server: its URL, data folder, process and log."""

    def __init__(self, url: str, data: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url, self.data, self.process, self._log = url, data, process, log
        self._read_chars = 0

    def log(self) -> str:
        """Return the end of its output."""
        return self._log.read_text(errors="replace")[-6000:]

    def tracebacks(self) -> str:
        """Return its output since the last call if that contains a traceback, else nothing."""
        text = self._log.read_text(errors="replace")
        new, self._read_chars = text[self._read_chars :], len(text)
        return new[-6000:] if "Traceback" in new else ""


@contextlib.contextmanager
def serving(folder: Path, *, prefix: str = "", **environment: str) -> Iterator[Server]:
    """Start the app and wait until its model is ready; end its whole process group after."""
    folder.mkdir(parents=True, exist_ok=True)
    data, log = folder / "data", folder / "server.log"
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    command += [f"--server.port={port}", "--server.headless=true"]
    command += [f"--server.baseUrlPath={prefix}"] if prefix else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "LOUPE_DATA": str(data), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://localhost:{port}/{prefix}".rstrip("/"), data, process, log)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(server: Server) -> None:
    def is_ready() -> bool:
        assert server.process.poll() is None, f"The app does not start:\n{server.log()}"
        with urlopen(f"{server.url}/api/ready", timeout=5) as response:
            return bool(response.status == 200)

    wait_until(is_ready, PATIENCE_SECONDS, server.log)
