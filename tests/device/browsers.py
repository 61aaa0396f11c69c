"""Browsers that open a page in a fresh profile: a Chromium that keeps running, and Firefox."""

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

from websockets.sync.client import connect

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


class Chromium:
    """A running Chromium, told by its DevTools protocol which pages to open.

    Playwright would do as much, but only one of its event loops may run at a time.
    """

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
        self._tools = self._stack.enter_context(connect(f"ws://127.0.0.1:{port}{path}"))
        self._calls = 0

    def close(self) -> None:
        """End it."""
        self._stack.close()

    @contextlib.contextmanager
    def open(self, address: str) -> Iterator[None]:
        """Open a page in a profile of its own, until the block ends."""
        profile = self._call("Target.createBrowserContext")
        try:
            self._call("Target.createTarget", url=address, **profile)
            yield
        finally:
            self._call("Target.disposeBrowserContext", **profile)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        self._tools.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._tools.recv(timeout=PATIENCE_SECONDS))
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result


@contextlib.contextmanager
def firefox(address: str, preferences: dict[str, Any]) -> Iterator[None]:
    """Start Firefox with a page, until the block ends."""
    command = [require_tool("firefox-esr"), "--headless", "--no-remote"]
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
