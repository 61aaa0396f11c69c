"""Run an app in its own process, wait for it and measure its memory."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil

from deploy.ports import free_port

from .apps import App
from .figure import NotMeasured
from .paths import BUILD

TIMEOUT_SECONDS = 120
"""Longest wait for an app to start, in seconds."""

STREAMLIT_OPTIONS = {
    "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
    "STREAMLIT_SERVER_HEADLESS": "true",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running app; ``began`` is the start of its process, by ``time.perf_counter``."""

    app: App
    process: psutil.Popen
    port: int
    began: float
    log: Path

    @property
    def origin(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The address of the page to use."""
        return self.origin + self.app.page

    def seconds(self) -> float:
        """Return the seconds since the process was started."""
        return time.perf_counter() - self.began

    def wait(self) -> None:
        """Wait until the server accepts connections.

        Raises:
            NotMeasured: the process ended, or didn't listen within 120 seconds.
        """
        while self.seconds() < TIMEOUT_SECONDS:
            if self.process.poll() is not None:
                raise self._failure("ended immediately")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise self._failure(f"did not start in {TIMEOUT_SECONDS} s")

    def wait_for(self, page: str = "", text: bytes = b"") -> None:
        """Wait until the server sends a page, with a text in it.

        Args:
            page: its path; by default, the page to use.
            text: by default, any.

        Raises:
            NotMeasured: it doesn't within 120 seconds.
        """
        self.wait()
        while self.seconds() < TIMEOUT_SECONDS:
            with (
                suppress(OSError),
                urlopen(self.origin + (page or self.app.page), timeout=30) as response,
            ):
                if text in response.read():
                    return
            time.sleep(0.2)
        raise self._failure(f"doesn't serve {page or 'its page'}")

    def wait_until_ready(self) -> None:
        """Wait until this app has a model, and has compressed files, at its first start."""
        self.wait_for("/api/ready")
        while self.process.children():
            time.sleep(0.1)

    def memory_mb(self) -> float:
        """Return the resident memory of the process and its children, in MB."""
        return sum(process.memory_info().rss for process in self._processes()) / 2**20

    def maps_library(self, library: str) -> bool:
        """Return whether a library of that name is mapped into the process or a child."""
        return any(
            library in Path(mapped.path).name
            for process in self._processes()
            for mapped in process.memory_maps()
        )

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def _failure(self, what: str) -> NotMeasured:
        log = " ".join(self.log.read_text(errors="replace").split())
        return NotMeasured(f"{self.app.name} {what}: {log[-300:]}")


@contextmanager
def serve(app: App, **settings: str) -> Iterator[Server]:
    """Start an app on a free port; kill it and its children afterwards.

    Args:
        app: what to start.
        settings: further environment variables.
    """
    port = free_port()
    log = BUILD / f"{app.name.lower()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    ports = {"GRADIO_SERVER_PORT": str(port), "STREAMLIT_SERVER_PORT": str(port)}
    environment = {**os.environ, **STREAMLIT_OPTIONS, **ports, **app.environment, **settings}
    with log.open("w") as output:
        began = time.perf_counter()
        process = psutil.Popen(
            app.command,
            cwd=app.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        server = Server(app, process, port, began, log)
        try:
            yield server
        finally:
            _kill_tree(process)


def _kill_tree(process: psutil.Popen) -> None:
    with suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=10)
