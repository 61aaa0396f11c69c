"""The measured apps: Loupe and two peers, their installation, and a server that runs one."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from deploy.client import free_port
from model.browser.runtime import run_program

from .environment import BUILD, MODEL, PEERS, ROOT
from .figure import NotMeasured
from .inputs import classifier

INSTALLED = BUILD / "peers"
"""A copy of ``peers/`` with the packages of the peers and the learner that they load."""

INSTALL_SECONDS, FETCH_SECONDS, START_SECONDS = 1800, 300, 120
"""Timeouts for installing a peer, for fetching its browser files, and for starting an app."""

STREAMLIT = (sys.executable, "-m", "streamlit", "run", "streamlit_app.py")
OPTIONS = {
    "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
    "STREAMLIT_SERVER_HEADLESS": "true",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
}
"""Variables of every app."""


@dataclass(frozen=True, slots=True)
class App:
    """The command that starts an app, and CSS selectors for its page.

    Attributes:
        command: takes its port from the environment.
        answer: the element that appears with the answer.
        input: the page's file input.
        stays: one page takes several photos; other apps need a new page for each.
    """

    name: str
    command: tuple[str, ...]
    answer: str
    input: str = "input[type=file]"
    folder: Path = INSTALLED
    page: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    stays: bool = True


def loupe() -> App:
    """Return this app with a data folder of its own; its server answers, as the peers' do."""
    data = BUILD / "data"
    data.mkdir(parents=True, exist_ok=True)
    settings = {"LOUPE_DATA": str(data), "LOUPE_MODEL": MODEL, "LOUPE_ENGINE": "compiled"}
    # Nothing is fetched while it is measured.
    settings["LOUPE_NPM"] = "false"
    answer, chooser = (
        "[data-screen=answer] .vf-headline",
        ".vf-ways input[type=file]:not([capture])",
    )
    return App("Loupe", STREAMLIT, answer, chooser, ROOT, "/?run=server", settings)


def device(name: str) -> App:
    """Return this app with the page that runs the model ``name`` in the browser.

    Raises:
        NotMeasured: what browsers load can't be made.
    """
    app = loupe()
    run_program(
        [sys.executable, "-m", "model.browser"],
        "what browsers load can't be made",
        timeout=FETCH_SECONDS,
        error=NotMeasured,
        cwd=ROOT,
        env={**os.environ, **app.environment, "LOUPE_NPM": "true"},
    )
    return replace(app, answer=".vf-details p", page=f"/device/?model={name}")


@cache
def streamlit() -> App:
    """Return the Streamlit peer, with the packages of this environment."""
    install_peers()
    export_learner()
    return App("Streamlit", STREAMLIT, "h2")


@cache
def gradio() -> App:
    """Return the Gradio peer, in an environment of its own."""
    python, requirements = str(INSTALLED / "venv" / "bin" / "python"), "requirements-gradio.txt"
    install_peers(
        requirements,
        (sys.executable, "-m", "venv", "--clear", "venv"),
        (python, "-m", "pip", "--quiet", "install", "-r", requirements),
    )
    export_learner()
    answer = "[data-testid=label-output-value]"
    return App("Gradio", (python, "gradio_app.py"), answer, stays=False)


def install_peers(lock: str = "", *commands: Sequence[str]) -> None:
    """Copy ``peers/`` to the build folder and install packages there, unless they are installed.

    Args:
        lock: file in ``peers/`` that names the packages; once it changes, they are installed again.
        commands: install them, in that folder.

    Raises:
        NotMeasured: a command failed.
    """
    shutil.copytree(PEERS, INSTALLED, dirs_exist_ok=True)
    wanted, installed = INSTALLED / lock, INSTALLED / f"installed-{lock}"
    if not lock or (installed.is_file() and installed.read_bytes() == wanted.read_bytes()):
        return
    print(f"Installing {lock} (takes minutes the first time) ...", file=sys.stderr)
    options: dict[str, Any] = {"timeout": INSTALL_SECONDS, "reason": slice(2), "cwd": INSTALLED}
    for command in commands:
        run_program(command, f"{lock} can't be installed", error=NotMeasured, **options)
    shutil.copy(wanted, installed)


def learner() -> Any:
    """Return the measured model as a fastai learner, with its preprocessing in transforms.

    Raises:
        NotMeasured: fastai is not installed.
    """
    try:
        from model.learner.rebuild import rebuild
    except ImportError as error:
        raise NotMeasured(f"the learner's packages are not installed: {error}") from error
    return rebuild(classifier().bundle)


def export_learner() -> None:
    """Write the learner as ``export.pkl``, which the peers load."""
    learn = learner()
    learn.path = INSTALLED
    learn.export("export.pkl")


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

    def processes(self) -> list[psutil.Process]:
        """Return the process and its children."""
        return [self.process, *self.process.children(recursive=True)]

    def memory_mb(self) -> float:
        """Return the resident memory of the process and its children, in MB."""
        return sum(process.memory_info().rss for process in self.processes()) / 2**20

    def wait(self) -> None:
        """Wait until the server accepts connections; raises as ``wait_for``."""

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        self._poll(listens, 0.02, f"did not start in {START_SECONDS} s")

    def wait_for(self, page: str = "", text: bytes = b"") -> None:
        """Wait until the server sends a page, by default the one to use, with a text in it.

        Raises:
            NotMeasured: it doesn't within 120 seconds of its start.
        """

        def sends() -> bool:
            url = self.origin + (page or self.app.page)
            with suppress(OSError), urlopen(url, timeout=30) as response:
                return text in response.read()
            return False

        self.wait()
        self._poll(sends, 0.2, f"doesn't serve {page or 'its page'}")

    def wait_until_ready(self) -> None:
        """Wait until this app has a model, and has compressed files, at its first start."""
        self.wait_for("/api/ready")
        while self.process.children():
            time.sleep(0.1)

    def _poll(self, condition: Callable[[], bool], pause: float, failure: str) -> None:
        while not condition():
            if self.process.poll() is not None:
                failure = "ended immediately"
            elif self.seconds() < START_SECONDS:
                time.sleep(pause)
                continue
            log = " ".join(self.log.read_text(errors="replace").split())
            raise NotMeasured(f"{self.app.name} {failure}: {log[-300:]}")


@contextmanager
def serve(app: App, **settings: str) -> Iterator[Server]:
    """Run an app with more environment variables on a free port while the block runs."""
    port, log = free_port(), BUILD / f"{app.name.lower()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    ports = {"GRADIO_SERVER_PORT": str(port), "STREAMLIT_SERVER_PORT": str(port)}
    environment = {**os.environ, **OPTIONS, **ports, **app.environment, **settings}
    streams: Any = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    began = time.perf_counter()
    with log.open("w") as output:
        process = psutil.Popen(
            app.command, cwd=app.folder, env=environment, stdout=output, **streams
        )
    server = Server(app, process, port, began, log)
    try:
        yield server
    finally:
        with suppress(psutil.NoSuchProcess):
            family = server.processes()
            for member in family:
                member.kill()
            psutil.wait_procs(family, timeout=10)
