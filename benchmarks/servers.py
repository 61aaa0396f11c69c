"""Run an app in its own process, wait for it and measure its memory."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from deploy.ports import free_port

from .apps import App
from .paths import BUILD
from .registry import NotMeasured

__all__ = ["TIMEOUT_SECONDS", "Server", "serve"]

TIMEOUT_SECONDS = 120
"""Longest wait for an app to start, in seconds."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running app; ``began`` is the start of its process, by ``time.perf_counter``."""

    app: App
    process: psutil.Popen
    port: int
    began: float
    log: Path

    @property
    def url(self) -> str:
        """The address of the page to use."""
        return f"http://127.0.0.1:{self.port}{self.app.page}"

    def seconds(self) -> float:
        """Return the seconds since the process was started."""
        return time.perf_counter() - self.began

    def wait(self) -> None:
        """Wait until the server accepts connections.

        Raises:
            NotMeasured: the process ended, or didn't listen within 120 seconds.
        """
        while time.perf_counter() < self.began + TIMEOUT_SECONDS:
            if self.process.poll() is not None:
                raise NotMeasured(f"{self.app.name} ended immediately: {self._log_tail()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise NotMeasured(
            f"{self.app.name} did not start in {TIMEOUT_SECONDS} s: {self._log_tail()}"
        )

    def wait_ready(self) -> None:
        """Wait until the server serves its page."""
        self.wait()
        while time.perf_counter() < self.began + TIMEOUT_SECONDS:
            try:
                with urlopen(self.url, timeout=10) as response:
                    response.read()
                return
            except (URLError, OSError):
                time.sleep(0.1)
        raise NotMeasured(f"{self.app.name} serves no page: {self._log_tail()}")

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

    def _log_tail(self) -> str:
        return " ".join(self.log.read_text(errors="replace").split())[-300:]


@contextmanager
def serve(app: App) -> Iterator[Server]:
    """Start an app on a free port; kill it and its children afterwards."""
    port = free_port()
    log = BUILD / f"{app.name.lower()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), **app.environment}
    with log.open("w") as output:
        began = time.perf_counter()
        process = psutil.Popen(
            app.command(port),
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
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        member.kill()
    psutil.wait_procs(family, timeout=10)
