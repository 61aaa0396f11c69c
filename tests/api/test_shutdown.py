"""SIGTERM to a real server: what was let in is finished, the rest is refused, nothing is lost."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from model.samples import samples
from model.settings import ROOT
from tests.api.raw import Wire
from tests.browser.server import Server, serving
from tests.tools import require_tool

PHOTO = samples()[0].read()
PATIENCE = 30


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, LOUPE_QUEUE="30", LOUPE_LOG="json") as running:
        yield running


Connect = Callable[[], http.client.HTTPConnection]


@pytest.fixture
def connected(server: Server) -> Iterator[Connect]:
    """Connections that were used once and are kept."""
    address, opened = urlsplit(server.url), []
    assert address.hostname

    def connect() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE)
        opened.append(connection)
        connection.request("GET", "/api/live")
        assert connection.getresponse().read()
        return connection

    yield connect
    for connection in opened:
        connection.close()


def batch(count: int) -> tuple[bytes, dict[str, str]]:
    """A form with so many photos, as lines are asked for."""
    part = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="%d.png"\r\n\r\n'
    body = b"".join(part % at + PHOTO + b"\r\n" for at in range(count)) + b"--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    return body, {"Content-Type": kind, "Accept": "application/x-ndjson"}


def ended(server: Server) -> int:
    """How the process ended, by itself."""
    return server.process.wait(timeout=PATIENCE)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_what_was_let_in_is_finished_and_the_rest_refused(
    server: Server, connected: Connect, sign: int
) -> None:
    answers: list[tuple[int, dict[str, object]]] = []

    def ask(connection: http.client.HTTPConnection) -> None:
        connection.request("POST", "/api/v1/identify?top=1", PHOTO)
        answer = connection.getresponse()
        answers.append((answer.status, json.loads(answer.read())))

    asking = [threading.Thread(target=ask, args=(connected(),)) for _ in range(12)]
    body, headers = batch(150)
    streamed = connected()
    streamed.request("POST", "/api/v1/identify/batch?top=1", body, headers)
    lines = streamed.getresponse()
    first = json.loads(lines.readline())
    late = connected()
    for one in asking:
        one.start()
    time.sleep(0.05)
    os.kill(server.process.pid, sign)
    refused = after(late)
    rest = [json.loads(line) for line in lines.read().splitlines()]
    for one in asking:
        one.join()
    code = ended(server)

    # Whole answers, or the refusal that says to ask again: never half of one.
    assert len(answers) == 12
    for status, answer in answers:
        assert (status, answer.get("code", "")) in [(200, ""), (503, "stopping")]
    # Each photo of the batch has its line: those after the signal say that they were not seen.
    photos = [first, *rest]
    assert [one["photo"] for one in photos] == [f"{at}.png" for at in range(150)]
    codes = [one.get("error", {}).get("code") for one in photos]
    assert set(codes) == {None, "stopping"}
    assert codes == sorted(codes, key=lambda code: code is not None)
    # A connection that was open is closed, or told to go elsewhere.
    assert refused in (None, (503, "stopping"))
    # Ctrl-C ends as a command that was interrupted.
    assert code in ((0, -sign) if sign == signal.SIGTERM else (0, 1, -sign))
    assert "Traceback" not in server.log()


def after(connection: http.client.HTTPConnection) -> tuple[int, str] | None:
    """What a request after the signal is told; None where the connection was closed."""
    time.sleep(0.02)
    try:
        connection.request("POST", "/api/v1/identify", PHOTO)
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (ConnectionError, http.client.HTTPException):
        return None
    assert answer.status == 200 or answer.headers["retry-after"]
    return answer.status, said.get("code", "")


def test_a_photo_that_is_still_being_sent_is_refused(server: Server) -> None:
    with Wire(server.url) as wire:
        head = f"POST /api/v1/identify HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PHOTO)}\r\n\r\n"
        wire.send(head.encode() + PHOTO[:1000])
        time.sleep(0.3)
        began = time.monotonic()
        os.kill(server.process.pid, signal.SIGTERM)
        reply = wire.reply()
        assert (reply.status, reply.json["code"]) == (503, "stopping")
        assert ended(server) in (0, -signal.SIGTERM)
    # Not as long as a body may take.
    assert time.monotonic() - began < 15
    assert "Traceback" not in server.log()


def test_the_end_comes_even_if_somebody_never_takes_his_answer() -> None:
    code = (
        "import threading, api.lifecycle as stop\n"
        "stop.SHUTDOWN_SECONDS, signalled = 0.1, threading.Event()\n"
        "signalled.set()\n"
        "stop._exit_after(signalled)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 128 + signal.SIGTERM
    assert b"Still not stopped" in done.stderr


@pytest.mark.browser
def test_an_open_page_does_not_hold_it_up(server: Server) -> None:
    from playwright.sync_api import sync_playwright

    chromium = require_tool("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{server.url}/about")
        page.get_by_role("heading", name="About Loupe").wait_for()
        os.kill(server.process.pid, signal.SIGTERM)
        assert ended(server) in (0, -signal.SIGTERM)
        browser.close()
    assert "Traceback" not in server.log()
