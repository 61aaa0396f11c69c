"""The app as people start it, in a process group of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from deploy.ports import free_port

__all__ = ["ROOT", "Server", "serving"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60


class Server:
    """A server that answers: its address, data folder, process and log."""

    def __init__(self, url: str, data: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url, self.data, self.process, self._log = url, data, process, log
        self._seen = 0

    def log(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-6000:]

    def tracebacks(self) -> str:
        """What it wrote since the last call, if a traceback is in it."""
        text = self._log.read_text(errors="replace")
        new, self._seen = text[self._seen :], len(text)
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
        _wait(server)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(server: Server) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.process.poll() is None:
        with contextlib.suppress(URLError, OSError), urlopen(f"{server.url}/api/ready", timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(f"The app does not start:\n{server.log()}")
