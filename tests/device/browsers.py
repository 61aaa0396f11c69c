"""Browsers that open a page in a fresh profile: a Chromium that keeps running, and Firefox.

Playwright drives only its own build of Firefox, and only one of its event loops may run at a time.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from deploy.client import free_port
from tests.tools import require_tool
from tests.waiting import wait_until

PATIENCE_SECONDS = 60
QUIET = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.systemAddon.update.enabled": False,
    "media.autoplay.default": 0,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
}
"""Preferences under which Firefox asks nothing and sends no requests of its own."""


class Remote:
    """A browser that is driven by Chromium's DevTools protocol, or by WebDriver BiDi."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._calls = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE_SECONDS))
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result


class Chromium:
    """A running Chromium, told by its DevTools protocol which pages to open."""

    def __init__(self, *arguments: str) -> None:
        command = [require_tool("chromium"), "--headless", "--no-sandbox", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-quic"]
        command += ["--remote-debugging-port=0", *arguments]
        self._stack = contextlib.ExitStack()
        home = self._stack.enter_context(_home())
        self._stack.enter_context(_running([*command, f"--user-data-dir={home}"], home))
        file = home / "DevToolsActivePort"
        wait_until(lambda: file.read_text().count("\n"), PATIENCE_SECONDS)
        port, path = file.read_text().split()
        self._tools = Remote(self._stack.enter_context(connect(f"ws://127.0.0.1:{port}{path}")))

    def close(self) -> None:
        """End it."""
        self._stack.close()

    @contextlib.contextmanager
    def open(self, address: str) -> Iterator[None]:
        """Open a page in a profile of its own, until the block ends."""
        profile = self._tools.call("Target.createBrowserContext")
        try:
            self._tools.call("Target.createTarget", url=address, **profile)
            yield
        finally:
            self._tools.call("Target.disposeBrowserContext", **profile)


class Firefox(Remote):
    """A Firefox window that is driven by WebDriver BiDi."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self.call("session.new", capabilities={})
        self._context = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, url: str) -> None:
        """Open a URL without waiting for it to load."""
        self.call("browsingContext.navigate", context=self._context, url=url, wait="none")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, converted through JSON."""
        return json.loads(self._evaluate(f"JSON.stringify({expression})")["value"])

    def choose(self, element: str, file: Path) -> None:
        """Choose a file for the file input to which a JavaScript expression evaluates."""
        shared = {"sharedId": self._evaluate(element)["sharedId"]}
        self.call("input.setFiles", context=self._context, element=shared, files=[str(file)])

    def _evaluate(self, expression: str) -> dict[str, Any]:
        values = {"expression": expression, "target": {"context": self._context}}
        done = self.call("script.evaluate", **values, awaitPromise=True)
        assert done["type"] == "success", done
        result: dict[str, Any] = done["result"]
        return result


@contextlib.contextmanager
def driven_firefox() -> Iterator[Firefox]:
    """Start a Firefox that is driven, until the block ends."""
    port = free_port()
    sockets: list[ClientConnection] = []

    def is_ready() -> bool:
        try:
            sockets.append(connect(f"ws://127.0.0.1:{port}/session", max_size=None))
        except WebSocketException as error:
            raise ConnectionError from error
        return True

    with firefox("about:blank", {}, "--remote-debugging-port", str(port)):
        wait_until(is_ready, PATIENCE_SECONDS)
        with sockets[0] as socket:
            yield Firefox(socket)


@contextlib.contextmanager
def firefox(address: str, preferences: dict[str, Any], *arguments: str) -> Iterator[None]:
    """Start Firefox with a page, until the block ends."""
    command = [require_tool("firefox-esr"), "--headless", "--no-remote", *arguments]
    with _home() as home:
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});"
            for name, value in {**QUIET, **preferences}.items()
        ]
        (home / "user.js").write_text("\n".join(lines))
        with _running([*command, "--profile", str(home), address], home):
            yield


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="loupe-browser-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _running(command: list[str], home: Path) -> Iterator[None]:
    """Run a browser, and end all of its processes."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
