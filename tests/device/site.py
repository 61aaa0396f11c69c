"""A web site with the device files, and browsers that run a test's JavaScript on it.

Playwright can't drive Debian's Firefox, so in every browser a page runs the script and posts its
result to the site.
"""

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any, cast

import pytest

from model.browser.device_files import device_dir, model_json
from model.browser.runtime import runtime_dir
from model.bundle import Bundle
from model.settings import ROOT
from tests.device.browsers import Chromium, firefox
from tests.waiting import POLL_SECONDS

BROWSERS = ("chromium", "firefox-esr")
SLOW_FIREFOX = ("chromium", pytest.param("firefox-esr", marks=pytest.mark.slow))
"""Both, Firefox only in `make test-slow`."""
NO_KERNELS = dict.fromkeys(["/device/engine/kernels.wasm", "/device/engine/kernels-relaxed.wasm"])
"""Changes that remove a site's kernels."""
PATIENCE_SECONDS = 100
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
}
PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
const fetchBytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
const refusal = async (promise) => {
  try { await promise; return null; } catch (error) {
    return {code: error.code ?? error.name, message: error.message, name: error.name};
  }
};
const note = (value) => fetch("/note", {method: "POST", body: JSON.stringify(value)});
let result;
try { result = {value: await (async () => { %s })() ?? null}; }
catch (error) { result = {error: `${error.name}: ${error.code ?? ""} ${error.message}`}; }
await fetch("/result", {method: "POST", body: JSON.stringify(result)});
</script>"""


@dataclass
class Site:
    """A running site: its files by path, changes of them, and what pages posted."""

    url: str
    folders: dict[str, Path]
    """Folders by the beginning of the path."""
    files: dict[str, bytes | None] = field(default_factory=dict)
    """Files that take precedence; None is a file that is missing."""
    headers: dict[str, str] = field(default_factory=dict)
    results: "Queue[dict[str, Any]]" = field(default_factory=Queue)
    notes: list[Any] = field(default_factory=list)
    on_note: Callable[[Any], None] | None = None
    requests: list[str] = field(default_factory=list)
    """Paths that were asked for, in order."""
    browsers: dict[tuple[str, ...], Chromium] = field(default_factory=dict)
    """Running ones, by their arguments."""

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None if there is none."""
        if path in self.files:
            return self.files[path]
        for start, folder in self.folders.items():
            file = folder / path.removeprefix(start)
            if path.startswith(start) and file.is_file():
                return file.read_bytes()
        return None

    def add_model(self, bundle: Bundle, name: str = "") -> dict[str, Any]:
        """Serve a bundle's device files at ``/models/NAME/``; return its ``model.json``."""
        start = f"/models/{name or bundle.name}/"
        self.folders[start] = device_dir(bundle)
        for path in device_dir(bundle, "full").iterdir():
            self.files[start + path.name] = path.read_bytes()
        info = model_json(bundle, "../../runtime/")
        self.files[f"{start}model.json"] = json.dumps(info).encode()
        return info

    def chromium(self, *arguments: str) -> Chromium:
        """Return the Chromium for this site's pages, started at the first call."""
        if arguments not in self.browsers:
            self.browsers[arguments] = Chromium(*arguments)
        return self.browsers[arguments]

    @contextlib.contextmanager
    def changed(self, files: dict[str, bytes | None]) -> Iterator[None]:
        """Serve other contents for some files."""
        before = self.files
        self.files = {**before, **files}
        try:
            yield
        finally:
            self.files = before


@contextlib.contextmanager
def site(host: str = "127.0.0.1") -> Iterator[Site]:
    """Serve ``device/`` and the runtime, as below ``/device/`` of the app."""
    server = _Server((host, 0), _Handler)
    running = Site(
        f"http://{host}:{server.server_port}",
        {"/runtime/": runtime_dir(), "/device/": ROOT / "device"},
    )
    cast(Any, server).site = running
    threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
    try:
        yield running
    finally:
        for browser in running.browsers.values():
            browser.close()
        server.shutdown()
        server.server_close()


def run_script(
    site: Site,
    browser: str,
    script: str,
    *,
    preferences: dict[str, Any] | None = None,
    arguments: tuple[str, ...] = (),
    patience: float = PATIENCE_SECONDS,
) -> Any:
    """Run an async function's body as a page of the site in a fresh profile; return its result.

    ``arguments`` are Chromium's, ``preferences`` Firefox's.
    """
    address = f"{site.url}/page.html"
    with site.changed({"/page.html": (PAGE % script).encode()}), contextlib.ExitStack() as stack:
        if browser == "chromium":
            stack.enter_context(site.chromium(*arguments).open(address))
        else:
            stack.enter_context(firefox(address, preferences or {}))
        try:
            result = site.results.get(timeout=patience)
        except Empty:
            raise AssertionError(f"{browser} posted nothing in {patience} s") from None
    assert "error" not in result, result["error"]
    return result["value"]


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Browsers that are killed leave open connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _site(self) -> Site:
        return cast(Site, cast(Any, self.server).site)

    def do_GET(self) -> None:
        self._site.requests.append(self.path)
        path = re.sub(r"/$", "/index.html", re.sub(r"[?#].*", "", self.path))
        self._answer(path, self._site.read(path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        value = json.loads(body)
        if self.path == "/result":
            self._site.results.put(value)
        else:
            self._site.notes.append(value)
            if self._site.on_note:
                self._site.on_note(value)
        self._answer("", b"")

    def _answer(self, path: str, data: bytes | None) -> None:
        self.send_response(404 if data is None else 200)
        kind = TYPES.get(Path(path).suffix, "application/octet-stream")
        for name, value in {"Content-Type": kind, **self._site.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(data or b"")

    def log_message(self, *_: Any) -> None:
        """Write no log."""
