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
from tests.api.attacks import KIND
from tests.api.raw import Wire, exchange, file_part, form, head
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


async def reject(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("no")(scope, receive, send)


async def read_and_reject(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await reject(scope, receive, send)


SMALL, MB = [b"x" * 100] * 3, 2**20
MANY = [bytes(MB)] * 200
EXPECT = {"content-length": "500", "expect": "100-continue"}


@pytest.mark.parametrize(
    ("app", "parts", "headers", "least", "most"),
    [
        pytest.param(reject, SMALL, EXPECT, 0, 0, id="client that isn't told to continue"),
        pytest.param(read_and_reject, SMALL, EXPECT, 3, 3, id="client that is told to continue"),
        pytest.param(reject, SMALL, {"content-length": "500"}, 3, 3, id="client that says nothing"),
        pytest.param(reject, MANY, {"transfer-encoding": "chunked"}, 20, 29, id="endless body"),
        pytest.param(reject, MANY[:74], {"content-length": f"{74 * MB}"}, 64, 74, id="batch"),
        pytest.param(reject, MANY, {"content-length": f"{10**6 * MB}"}, 20, 30, id="huge length"),
    ],
)
def test_rest_of_a_rejected_body_is_discarded_up_to_a_limit(
    app: Any, parts: Any, headers: Any, least: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.6)
    sent, read = run_middleware(app, parts, **headers)
    assert least <= read <= most
    assert (b"connection", b"close") in sent[0]["headers"]
    # The complete error is sent before the connection ends.
    assert (sent[1]["body"], sent[1]["more_body"]) == (b"no", True)
    assert sent[2] == {"type": "http.response.body", "body": b""}


def test_response_to_a_complete_body_keeps_the_connection() -> None:
    sent, read = run_middleware(reject, [], **{"content-length": "0"})
    assert (read, len(sent)) == (0, 2)
    assert (b"connection", b"close") not in sent[0]["headers"]


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


def test_slow_uploads_do_not_hold_slots_of_batches(server: Server) -> None:
    start, body = "POST /api/v1/identify/batch", form(*[file_part("photos", "a.png", PHOTO)] * 2)
    zipped = head(start, Content_Length=10**6, Content_Type="application/zip")
    sent_form = head(start, Content_Length=len(body), Content_Type=KIND.decode())
    with Wire(server.url) as first, Wire(server.url) as second, Wire(server.url) as third:
        for slow in (first, second):
            assert slow.send(zipped + b"P")
        third.send(sent_form + body)
        assert third.reply().status == 200


def test_early_error_reaches_the_client(server: Server) -> None:
    body = bytes(5 * 2**20)
    request = head("POST /api/v1/nothing", Content_Length=len(body)) + body
    for _ in range(5):
        reply = exchange(server.url, request)
        assert (reply.status, reply.json["code"]) == (404, "not-found")


async def test_slot_is_freed_when_a_batch_client_stops_reading(
    serve: Any, tiny_bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "SEND_TIMEOUT_SECONDS", 0.1)
    app = serve(LOUPE_MODEL="tiny").app
    body = form(file_part("photos", "a.png", PHOTO))
    request_scope = scope(**{"content-type": KIND.decode(), "content-length": "9"})
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
