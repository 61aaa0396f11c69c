"""The app as people start it, in a process group of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import streamlit

from deploy.client import free_port
from model.browser.cache import write_hashes
from model.browser.page_files import PARTS, compress, compressed_name
from tests.http_server import http_server
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60
"""Longest wait for the app to start."""
# As on a host that knows no st.App: its routes, middleware and lifespan are missing.
PLAIN = """
from streamlit.web import cli
from streamlit.web.server import app_discovery

discovery = app_discovery.AppDiscoveryResult(is_asgi_app=False, app_name=None, import_string=None)
app_discovery.discover_asgi_app = lambda path: discovery
cli.main()
"""
SANDBOX = "allow-scripts allow-same-origin allow-forms allow-popups allow-downloads"


class Server:
    """A running server: its URL, data folder, process and log."""

    def __init__(self, url: str, data: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url, self.data, self.process, self._log = url, data, process, log
        self.port = urlsplit(url).port
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
def serving(
    folder: Path,
    *,
    prefix: str = "",
    plain: bool = False,
    port: int | None = None,
    options: Sequence[str] = (),
    launcher: Sequence[str] = (),
    is_fresh: bool = False,
    **environment: str,
) -> Iterator[Server]:
    """Start the app and wait until its model is ready; end its whole process group after.

    ``plain`` runs the entry point as a script without ``st.App``; ``port`` is free by default;
    ``options`` are Streamlit's; ``launcher`` is a command that executes the one after it. A fresh
    app has to make Streamlit's compressed files, and is awaited only until it responds.
    """
    data, log = folder / "data", folder / "server.log"
    if not is_fresh:
        add_compressed_files(data)
    port = port or free_port()
    command = [*launcher, sys.executable, *(("-c", PLAIN) if plain else ("-m", "streamlit"))]
    command += ["run", "streamlit_app.py", f"--server.port={port}", "--server.headless=true"]
    command += options
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
        path = "api/live" if is_fresh else "api/ready"
        _wait_until_ready(server, "_stcore/health" if plain else path)
        yield server
    finally:
        # Windows can't signal a group.
        with contextlib.suppress(ProcessLookupError, AttributeError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


@contextlib.contextmanager
def framing(
    framed: str, name: str, allow: str = "camera; clipboard-write", script: str = ""
) -> Iterator[str]:
    """Serve a page of another origin that frames the app as hosts do; yield its address.

    ``name`` is its host: *localhost* is the app's own site, *127.0.0.1* is another one. ``allow``
    is the frame's permissions policy; ``script`` runs in the framing page.
    """
    text = (
        f'<!doctype html><title>host</title><iframe src="{framed}" sandbox="{SANDBOX}" '
        f'allow="{allow}" width="1000" height="700"></iframe><script>{script}</script>'
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "index.html").write_text(text)
        with python_server(Path(folder)) as url:
            yield url.replace("localhost", name)


@contextlib.contextmanager
def python_server(folder: Path) -> Iterator[str]:
    """Serve as ``python -m http.server`` above a folder does; yield the folder's address."""
    with http_server(partial(SimpleHTTPRequestHandler, directory=str(folder.parent))) as address:
        yield f"{address.replace('127.0.0.1', 'localhost')}/{folder.name}/"


def add_compressed_files(data: Path) -> None:
    """Give a data folder Streamlit's compressed files: making them takes each server seconds."""
    for part in PARTS:
        link = data / "derived" / compressed_name(part)
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(compressed_files(part))


@cache
def compressed_files(part: str) -> Path:
    """Return a folder with compressed files, which other processes and later runs use as well."""
    # Another installation's files have other dates, which are sent as well.
    installed = str(Path(streamlit.__file__).stat().st_mtime_ns)
    shared = Path(tempfile.gettempdir()) / f"loupe-test-files-{getattr(os, 'getuid', int)()}"
    folder = shared / installed / compressed_name(part)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent))
        compress(part, new)
        write_hashes(new)
        with contextlib.suppress(OSError):
            new.rename(folder)
    return folder


def _wait_until_ready(server: Server, path: str) -> None:
    def is_ready() -> bool:
        assert server.process.poll() is None, f"The app does not start:\n{server.log()}"
        with urlopen(f"{server.url}/{path}", timeout=5) as response:
            return bool(response.status == 200)

    wait_until(is_ready, PATIENCE_SECONDS, server.log)
