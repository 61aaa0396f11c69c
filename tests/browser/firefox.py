"""Firefox over WebDriver BiDi, because Playwright only drives its own build of Firefox."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from deploy.client import free_port
from tests.tools import require_tool
from tests.waiting import wait_until


class Firefox:
    """A Firefox window."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0
        self._send("session.new", capabilities={})
        self._context = self._send("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, url: str) -> None:
        """Open a URL without waiting for it to load."""
        self._send("browsingContext.navigate", context=self._context, url=url, wait="none")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, converted through JSON."""
        return json.loads(self._evaluate(f"JSON.stringify({expression})")["value"])

    def choose(self, element: str, file: Path) -> None:
        """Choose a file for the file input to which a JavaScript expression evaluates."""
        shared = {"sharedId": self._evaluate(element)["sharedId"]}
        self._send("input.setFiles", context=self._context, element=shared, files=[str(file)])

    def _evaluate(self, expression: str) -> dict[str, Any]:
        values = {"expression": expression, "target": {"context": self._context}}
        done = self._send("script.evaluate", **values, awaitPromise=True)
        assert done["type"] == "success", done
        result: dict[str, Any] = done["result"]
        return result

    def _send(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while (reply := json.loads(self._socket.recv(60))).get("id") != self._last:
            pass
        assert reply["type"] == "success", reply
        result: dict[str, Any] = reply["result"]
        return result


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Start Firefox with a fresh profile in a folder; skip the test where it isn't installed."""
    port = free_port()
    command = [require_tool("firefox-esr"), "--headless", "--no-remote", "--profile", str(folder)]
    process = subprocess.Popen([*command, "--remote-debugging-port", str(port)])
    sockets: list[ClientConnection] = []

    def is_ready() -> bool:
        try:
            sockets.append(connect(f"ws://127.0.0.1:{port}/session", max_size=None))
        except WebSocketException as error:
            raise ConnectionError from error
        return True

    try:
        wait_until(is_ready, 60)
        with sockets[0] as socket:
            yield Firefox(socket)
    finally:
        process.kill()
        process.wait()
