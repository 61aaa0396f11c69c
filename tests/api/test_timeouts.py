"""Clients that take their time, to send or to take: nobody else waits for them."""

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse

from api import middleware
from api.body_limits import memory_budget
from api.dispatcher import MAX_BATCHES, dispatcher
from api.middleware import SlowClientMiddleware
from model.samples import samples
from tests.api.raw import Wire
from tests.browser.server import Server

PHOTO = samples()[0].read()


@pytest.fixture(scope="module")
def server(app_server: Server) -> Server:
    return app_server


def scope(**headers: str) -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": pairs}


def asked(app: Any, parts: list[bytes], **headers: str) -> tuple[list[dict[str, Any]], int]:
    """What was sent, and how many parts of the body were read."""
    sent, read = [], 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        if read == len(parts):
            await asyncio.sleep(60)
        read += 1
        return {"type": "http.request", "body": parts[read - 1], "more_body": read < len(parts) + 1}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(SlowClientMiddleware(app)(scope(**headers), receive, send))
    return sent, read


def closes(sent: list[dict[str, Any]]) -> bool:
    return (b"connection", b"close") in sent[0]["headers"]


def test_an_answer_to_a_whole_body_leaves_the_connection_open() -> None:
    sent, read = asked(PlainTextResponse("no"), [], **{"content-length": "0"})
    assert not closes(sent)
    assert read == 0
    assert len(sent) == 2


def test_who_asks_first_is_not_invited_to_send() -> None:
    asking = {"content-length": "500", "expect": "100-continue"}
    sent, read = asked(PlainTextResponse("no"), [b"x" * 100] * 3, **asking)
    assert closes(sent)
    assert read == 0


def test_a_refused_body_is_read_for_a_while_after_the_refusal_went_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.6)
    sent, read = asked(PlainTextResponse("no"), [b"x" * 100] * 3, **{"content-length": "500"})
    assert closes(sent)
    assert read == 3
    # All of the refusal, then the wait, then the end.
    assert sent[1]["body"] == b"no"
    assert sent[1]["more_body"]
    assert sent[2] == {"type": "http.response.body", "body": b""}


def test_a_refused_body_that_is_here_at_once_costs_no_connection() -> None:
    app, whole = PlainTextResponse("no"), [b"x" * 100] * 3

    async def ask() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        left = list(whole)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": left.pop(), "more_body": bool(left)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await SlowClientMiddleware(app)(scope(**{"content-length": "300"}), receive, send)
        assert not left
        return sent

    assert not closes(asyncio.run(ask()))


def test_a_file_is_sent_however_slow_the_line_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "SEND_TIMEOUT_SECONDS", 0.05)
    got = []

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            await asyncio.sleep(0.1)
            got.append(message)

        await SlowClientMiddleware(PlainTextResponse("file"))(
            scope() | {"method": "GET"}, receive, send
        )

    asyncio.run(ask())
    assert got[-1]["body"] == b"file"


def test_who_was_invited_to_send_is_read_from() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await PlainTextResponse("no")(scope, receive, send)

    asking = {"content-length": "300", "expect": "100-continue"}
    _, read = asked(app, [b"x" * 100] * 3, **asking)
    assert read == 3


def test_a_body_without_an_end_is_not_read_for_ever() -> None:
    part = bytes(2**20)
    _, read = asked(PlainTextResponse("no"), [part] * 500, **{"transfer-encoding": "chunked"})
    assert 20 <= read < 30


def test_who_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "SEND_TIMEOUT_SECONDS", 0.1)
    ended = False

    async def lines() -> Any:
        nonlocal ended
        try:
            while True:
                yield b"line"
        finally:
            ended = True

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                await asyncio.sleep(60)

        given = scope(**{"content-length": "0"}) | {"asgi": {"spec_version": "2.3"}}
        await asyncio.wait_for(
            SlowClientMiddleware(StreamingResponse(lines()))(given, receive, send), 5
        )

    asyncio.run(ask())
    assert ended


def test_two_who_send_slowly_do_not_keep_others_from_their_batch(server: Server) -> None:
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


def test_a_refusal_arrives_though_its_body_was_not_wanted(server: Server) -> None:
    head = b"POST /api/v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    body = bytes(5 * 2**20)
    for _ in range(5):
        with Wire(server.url) as wire:
            assert wire.send(head % len(body) + body)
            reply = wire.reply()
        assert (reply.status, reply.json["code"]) == (404, "not-found")


def test_who_takes_nothing_gives_the_place_of_his_batch_back(
    serve: Any, tiny_bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "SEND_TIMEOUT_SECONDS", 0.1)
    app = serve(LOUPE_MODEL="tiny").app
    head = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.png"\r\n\r\n'
    body = head + PHOTO + b"\r\n--x--\r\n"
    given = scope(**{"content-type": "multipart/form-data; boundary=x", "content-length": "9"})
    given |= {"path": "/api/v1/identify/batch", "query_string": b"", "http_version": "1.1"}

    async def ask() -> None:
        left = [body]

        async def receive() -> dict[str, Any]:
            if not left:
                await asyncio.sleep(60)
            return {"type": "http.request", "body": left.pop()}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                await asyncio.sleep(60)

        for _ in range(MAX_BATCHES + 1):
            left[:] = [body]
            await asyncio.wait_for(app(dict(given), receive, send), 10)
        assert not dispatcher()._batches.locked()
        assert memory_budget().used == 0

    asyncio.run(ask())
