"""SIGTERM to a real server: accepted requests finish, others are rejected, none is lost."""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from model.samples import samples
from tests.api.raw import Wire, file_part, form, head
from tests.browser.server import Server, serving
from tests.operating.attacks.clients import page_session
from tests.waiting import wait_until

PHOTO = samples()[0].read()
PATIENCE = 30


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, LOUPE_QUEUE="30", LOUPE_LOG="json") as running:
        yield running


Connect = Callable[[], http.client.HTTPConnection]


@pytest.fixture
def connected(server: Server) -> Iterator[Connect]:
    """Connections that were used once and kept open."""
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
    """Return the body and headers of a batch with results as lines."""
    body = form(*(file_part("photos", f"{at}.png", PHOTO) for at in range(count)))
    kind = "multipart/form-data; boundary=x"
    return body, {"Content-Type": kind, "Accept": "application/x-ndjson"}


def wait_for_exit(server: Server) -> int:
    """Return the exit status of the process, which ends without another signal."""
    return server.process.wait(timeout=PATIENCE)


def test_shutdown_finishes_accepted_requests_and_rejects_others(
    server: Server, connected: Connect
) -> None:
    answers: list[tuple[int, str] | None] = []

    def identify(connection: http.client.HTTPConnection) -> None:
        answers.append(ask(connection, "/api/v1/identify?top=1", PHOTO))

    threads = [threading.Thread(target=identify, args=(connected(),)) for _ in range(12)]
    body, headers = batch(150)
    streamed = connected()
    streamed.request("POST", "/api/v1/identify/batch?top=1", body, headers)
    lines = streamed.getresponse()
    first = json.loads(lines.readline())
    probe, late = connected(), connected()
    for thread in threads:
        thread.start()
    wait_until(lambda: bool(answers))
    os.kill(server.process.pid, signal.SIGTERM)
    wait_until(lambda: ask(probe, "/api/ready") in (None, (503, "stopping")))
    late_response = ask(late, "/api/v1/identify", PHOTO)
    others = [json.loads(line) for line in lines.read().splitlines()]
    for thread in threads:
        thread.join()
    code = wait_for_exit(server)

    # A complete response, or an error that says to try again: never half of one.
    assert len(answers) == 12
    assert {*answers} <= {(200, ""), (503, "stopping")}
    # Each photo of the batch has its line; those after the signal were not reached.
    photos = [first, *others]
    assert [photo["photo"] for photo in photos] == [f"{at}.png" for at in range(150)]
    codes = [photo.get("error", {}).get("code") for photo in photos]
    assert set(codes) == {None, "stopping"}
    assert codes == sorted(codes, key=lambda code: code is not None)
    # An open connection is closed, or its next request is rejected.
    assert late_response in (None, (503, "stopping"))
    assert code in (0, -signal.SIGTERM)
    assert "Traceback" not in server.log()


def ask(
    connection: http.client.HTTPConnection, path: str, photo: bytes | None = None
) -> tuple[int, str] | None:
    """Return the status and the code of a problem; None if the connection was closed."""
    try:
        connection.request("POST" if photo else "GET", path, photo)
        response = connection.getresponse()
        body = json.loads(response.read())
    except (ConnectionError, http.client.HTTPException):
        return None
    assert response.status == 200 or not photo or response.headers["retry-after"]
    return response.status, body.get("code", "")


def test_shutdown_rejects_an_upload_in_progress(server: Server) -> None:
    with Wire(server.url) as wire:
        length = {"Content_Length": len(PHOTO), "Expect": "100-continue"}
        wire.send(head("POST /api/v1/identify", **length))
        # The server invites the body once it reads it.
        assert wire.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(PHOTO[:1000])
        started = time.monotonic()
        os.kill(server.process.pid, signal.SIGTERM)
        reply = wire.reply()
        assert (reply.status, reply.json["code"]) == (503, "stopping")
        assert wait_for_exit(server) in (0, -signal.SIGTERM)
    # Sooner than a body may take.
    assert time.monotonic() - started < 15
    assert "Traceback" not in server.log()


@pytest.mark.slow
def test_shutdown_ends_despite_a_client_that_never_reads(server: Server) -> None:
    with urlopen(f"{server.url}/api/v1/models/imagenet") as response:
        files = json.load(response)["files"]
    with Wire(server.url) as wire:
        wire.send(head(f"GET {files['graph.onnx']['url']}"))
        assert wire.socket.recv(1)
        os.kill(server.process.pid, signal.SIGTERM)
        assert wait_for_exit(server) in (0, -signal.SIGTERM)
    assert "timeout graceful shutdown exceeded" in server.log()


@pytest.mark.slow
def test_shutdown_does_not_wait_for_an_open_page(server: Server) -> None:
    with page_session(server.url):
        os.kill(server.process.pid, signal.SIGTERM)
        assert wait_for_exit(server) in (0, -signal.SIGTERM)
    assert "Traceback" not in server.log()
