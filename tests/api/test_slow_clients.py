"""``SlowClientMiddleware``: clients that are slow to send or to read delay no others."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from api import middleware
from api.body_limits import memory_budget
from api.dispatcher import MAX_BATCHES, dispatcher
from api.middleware import SlowClientMiddleware
from model.samples import samples
from tests.api.raw import Wire
from tests.browser.server import Server

PHOTO = samples()[0].read()

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(app_server: Server) -> Server:
    return app_server


def scope(**headers: str) -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": pairs}


def run_middleware(
    app: Any, parts: list[bytes], **headers: str
) -> tuple[list[MutableMapping[str, Any]], int]:
    """Return the messages sent, and how many parts of the body were read."""
    sent, read = [], 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        if read == len(parts):
            await asyncio.sleep(60)
        read += 1
        return {"type": "http.request", "body": parts[read - 1], "more_body": read < len(parts) + 1}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(SlowClientMiddleware(app)(scope(**headers), receive, send))
    return sent, read


def closes_connection(sent: list[MutableMapping[str, Any]]) -> bool:
    return (b"connection", b"close") in sent[0]["headers"]


def test_response_to_a_complete_body_keeps_the_connection() -> None:
    sent, read = run_middleware(PlainTextResponse("no"), [], **{"content-length": "0"})
    assert (closes_connection(sent), read, len(sent)) == (False, 0, 2)


def test_rejected_client_is_not_told_to_continue() -> None:
    headers = {"content-length": "500", "expect": "100-continue"}
    sent, read = run_middleware(PlainTextResponse("no"), [b"x" * 100] * 3, **headers)
    assert closes_connection(sent)
    assert read == 0


def test_rejected_body_is_drained_after_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.6)
    sent, read = run_middleware(
        PlainTextResponse("no"), [b"x" * 100] * 3, **{"content-length": "500"}
    )
    assert closes_connection(sent)
    assert read == 3
    # The whole error, then the drain, then the end.
    assert sent[1]["body"] == b"no"
    assert sent[1]["more_body"]
    assert sent[2] == {"type": "http.response.body", "body": b""}


async def test_download_over_a_slow_connection_is_not_timed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(middleware, "SEND_TIMEOUT_SECONDS", 0.05)
    received = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        await asyncio.sleep(0.1)
        received.append(message)

    await SlowClientMiddleware(PlainTextResponse("file"))(
        scope() | {"method": "GET"}, receive, send
    )
    assert received[-1]["body"] == b"file"


def test_body_of_a_client_told_to_continue_is_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.2)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await PlainTextResponse("no")(scope, receive, send)

    headers = {"content-length": "300", "expect": "100-continue"}
    _, read = run_middleware(app, [b"x" * 100] * 3, **headers)
    assert read == 3


def test_endless_rejected_body_is_not_drained_forever() -> None:
    part = bytes(2**20)
    _, read = run_middleware(
        PlainTextResponse("no"), [part] * 500, **{"transfer-encoding": "chunked"}
    )
    assert 20 <= read < 30


@pytest.mark.parametrize(("megabytes", "most"), [(74, 74), (10**6, 30)])
def test_rejected_batch_is_drained_to_its_announced_end(
    megabytes: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.2)
    headers = {"content-length": f"{megabytes * 2**20}"}
    _, read = run_middleware(
        PlainTextResponse("no"), [bytes(2**20)] * min(megabytes, 200), **headers
    )
    assert most - 10 <= read <= most


def test_slow_uploads_do_not_hold_slots_of_batches(server: Server) -> None:
    head = (
        b"POST /api/v1/identify/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        b"Content-Type: application/zip\r\n\r\nP"
    )
    with Wire(server.url) as first, Wire(server.url) as second, Wire(server.url) as third:
        assert first.send(head)
        assert second.send(head)
        body = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="photos"; filename="%d.png"\r\n\r\n' % at
            + PHOTO
            + b"\r\n"
            for at in range(2)
        )
        body += b"--x--\r\n"
        third.send(
            b"POST /api/v1/identify/batch?top=1 HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        assert third.reply().status == 200


def test_early_error_reaches_the_client(server: Server) -> None:
    head = b"POST /api/v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    body = bytes(5 * 2**20)
    for _ in range(5):
        with Wire(server.url) as wire:
            assert wire.send(head % len(body) + body)
            reply = wire.reply()
        assert (reply.status, reply.json["code"]) == (404, "not-found")


async def test_slot_is_freed_when_a_batch_client_stops_reading(
    serve: Any, tiny_bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "SEND_TIMEOUT_SECONDS", 0.1)
    app = serve(LOUPE_MODEL="tiny").app
    head = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.png"\r\n\r\n'
    body = head + PHOTO + b"\r\n--x--\r\n"
    request_scope = scope(
        **{"content-type": "multipart/form-data; boundary=x", "content-length": "9"}
    )
    request_scope |= {"path": "/api/v1/identify/batch", "query_string": b"", "http_version": "1.1"}
    pending = [body]

    async def receive() -> dict[str, Any]:
        if not pending:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": pending.pop()}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    for _ in range(MAX_BATCHES + 1):
        pending[:] = [body]
        await asyncio.wait_for(app(dict(request_scope), receive, send), 10)
    assert not dispatcher()._batches.locked()
    assert memory_budget().used == 0
