"""``api.connections``: clients that send much, or read nothing, on a real uvicorn."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import h11
import pytest
from starlette.responses import PlainTextResponse
from uvicorn import Config, Server
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api import connections
from api.connections import HEAD_BYTES, HEADERS, UNREAD_MESSAGES, HeadBuffer, limit_connections
from tests.api.raw import Wire, exchange, head
from tests.operating.attacks.clients import handshake
from tests.waiting import repeatedly, wait_until

LIMIT = 12
"""Most connections, where a test sets it."""


class App:
    """Sends a megabyte for each message, and 50 for a request unless its path is ``/short``."""

    def __init__(self) -> None:
        self.received = self.requests = self.responses = 0
        self.pages: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            limit_connections(receive)
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
        elif scope["type"] == "http" and scope["path"] == "/short":
            await PlainTextResponse("ok")(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            self.requests += 1
            self.responses += 1
            for _ in range(50):
                await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
            self.responses -= 1
        else:
            await receive()
            await send({"type": "websocket.accept"})
            self.pages.append(receive.__self__)
            while (await receive())["type"] != "websocket.disconnect":
                self.received += 1
                await send({"type": "websocket.send", "bytes": bytes(2**20)})
                await asyncio.sleep(0.01)


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture(params=["descriptors", "memory"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit the number of connections; before ``url``, whose server reads it at its start."""
    if request.param == "memory":
        monkeypatch.setattr(connections, "CONNECTION_BYTES", 2**25 // LIMIT)
    else:
        monkeypatch.setattr(connections, "descriptor_limit", lambda: 3 * LIMIT)


@pytest.fixture
def url(app: App, data_folder: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LOUPE_MEMORY_MB", "128")
    config = Config(app, port=0, ws="websockets-sansio", loop="asyncio", log_config=None)
    server = Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def short(headers: bytes = b"") -> bytes:
    return b"GET /short HTTP/1.1\r\nHost: here\r\n" + headers + b"\r\n"


def is_open(wire: Wire) -> bool:
    """Return whether the server has kept a connection on which it sent nothing."""
    wire.socket.setblocking(False)
    with suppress(BlockingIOError):
        return bool(wire.socket.recv(1))
    return True


def open_page(url: str) -> ClientConnection:
    address = url.replace("http", "ws")
    return connect(address, max_size=None, max_queue=1, compression=None, close_timeout=0)


def close_code(page: ClientConnection) -> int | None:
    """Read all that arrives; return why the server has closed the websocket."""
    with suppress(ConnectionClosed):
        while True:
            page.recv(timeout=10)
    return page.close_code


def test_message_is_refused_by_its_announced_length(url: str) -> None:
    with open_page(url) as page:
        page.socket.sendall(b"\x82\xff" + (2**21).to_bytes(8, "big") + b"mask")
        assert close_code(page) == 1009


def test_incomplete_messages_make_room_for_others(url: str) -> None:
    with ExitStack() as stack:
        pages = [stack.enter_context(open_page(url)) for _ in range(18)]
        start = b"\x82\xff" + (10**6).to_bytes(8, "big") + bytes(10**6)
        for page in pages:
            page.socket.sendall(start)
        # 16 MB are an eighth of the memory.
        wait_until(lambda: [page.close_code for page in pages].count(None) == 16)


@pytest.mark.parametrize("frame", [b"\x82\x80mask", b"\x00\x80mask"])
def test_endless_messages_and_empty_parts_end_the_websocket(
    url: str, app: App, frame: bytes
) -> None:
    with open_page(url) as page:
        # The first part of a message, then too many messages, or too many parts of this one.
        page.socket.sendall(b"\x02\x80mask" if frame[0] == 0 else frame)
        with suppress(OSError):
            page.socket.sendall(frame * 10_000)
        wait_until(lambda: app.pages and app.pages[0].disconnected)
    assert app.received <= UNREAD_MESSAGES


def test_server_stops_reading_from_a_client_that_reads_nothing(url: str, app: App) -> None:
    with Wire(url) as wire:
        wire.send(handshake(url))
        wait_until(lambda: app.pages)
        page = app.pages[0]
        wire.send(b"\x82\x80mask")
        wait_until(lambda: not page.writable.is_set())
        waiting = page.transport.get_write_buffer_size()
        # Pings aren't answered, and the message after them isn't read.
        wire.send((b"\x89\xfdmask" + bytes(125)) * 10_000 + b"\x82\x80mask")
        wait_until(lambda: page.queue.qsize() == 1)
        assert page.transport.get_write_buffer_size() <= waiting
        assert app.received == 1
        page.loop.call_soon_threadsafe(page.end)
        wait_until(lambda: page.disconnected)
    # One that reads is told to try again later.
    with open_page(url) as other:
        wait_until(lambda: len(app.pages) == 2)
        page.loop.call_soon_threadsafe(app.pages[1].end)
        assert close_code(other) == 1013


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_response_that_its_client_does_not_read_is_closed(
    url: str, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALL_SECONDS", 1)
    with Wire(url) as wire:
        wire.send(head("GET /"))
        wait_until(lambda: app.responses == 1)
        wait_until(lambda: app.responses == 0, 20)


def test_many_unread_responses_make_room_for_others(url: str, app: App) -> None:
    with ExitStack() as stack:
        for _ in range(70):
            stack.enter_context(Wire(url)).send(head("GET /"))
        wait_until(lambda: app.requests == 70)
        wait_until(lambda: app.responses == 64)


def test_connection_is_closed_if_the_rest_of_a_body_never_arrives(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_SECONDS", 0.5)
    with Wire(url) as wire, Wire(url) as slow:
        for each in (wire, slow):
            each.send(short(b"Content-Length: 1000000000\r\n"))
            assert each.reply().status == 200
        # uvicorn stops its own timer at the first byte.
        wire.send(b"x")
        with repeatedly(lambda: slow.send(b"x"), 0.05):
            assert wire.remainder() + slow.remainder() == b""


def test_body_after_its_response_does_not_end_the_connection(url: str) -> None:
    with Wire(url) as wire:
        wire.send(short(b"Content-Length: 3\r\n"))
        assert wire.reply().status == 200
        wire.send(b"xyz" + short())
        assert wire.reply().status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"a:\r\n" * (HEADERS - 1), 200),
        (b"a:\r\n" * HEADERS, 431),
        (b"a:\n" * 15_000, 431),
        (b"a: " + b"b" * 2**17 + b"\r\n", 431),
    ],
)
def test_number_and_size_of_headers_are_limited(url: str, headers: bytes, status: int) -> None:
    assert exchange(url, short(headers)).status == status


def test_large_head_is_refused_although_it_arrives_at_once() -> None:
    connection = h11.Connection(h11.SERVER)
    connection._receive_buffer = HeadBuffer()
    connection.receive_data(short(b"a: " + b"b" * HEAD_BYTES + b"\r\n"))
    with pytest.raises(h11.RemoteProtocolError):
        connection.next_event()


def test_headers_after_a_body_are_limited(url: str) -> None:
    with Wire(url) as wire:
        wire.send(short(b"Transfer-Encoding: chunked\r\n"))
        assert wire.reply().status == 200
        wire.send(b"0\r\n" + b"a:\r\n" * 2 * HEADERS + b"\r\n")
        assert wire.remainder() == b""


def test_client_that_sends_requests_ahead_has_to_connect_again(url: str) -> None:
    with Wire(url) as wire:
        wire.send(short() * 3)
        assert (wire.reply().status, wire.remainder()) == (200, b"")


def test_head_is_freed_once_it_has_a_response(url: str) -> None:
    with Wire(url) as wire:
        wire.send(short())
        wire.reply()
        wait_until(lambda: connections._idle)
        kept = next(iter(connections._idle))
        assert [kept.scope, kept.headers, kept.cycle.scope] == [None] * 3


def test_connections_that_are_idle_longest_make_room_for_others(few: None, url: str) -> None:
    with ExitStack() as stack:
        page = stack.enter_context(open_page(url))
        wires = [stack.enter_context(Wire(url)) for _ in range(3 * LIMIT)]
        wires[-1].send(b"GET")
        visitor = stack.enter_context(Wire(url))
        visitor.send(short())
        assert visitor.reply().status == 200
        # The page, the visitor and the newest others.
        open_wires = [is_open(wire) for wire in wires]
        kept = LIMIT - 3
        assert open_wires == [False] * (3 * LIMIT - kept) + [True] * kept
        page.send(b"x")
        assert len(page.recv(timeout=10)) == 2**20


def test_requests_whose_bodies_do_not_arrive_make_room_for_others(few: None, url: str) -> None:
    with ExitStack() as stack:
        for _ in range(3 * LIMIT):
            stack.enter_context(Wire(url)).send(b"POST / HTTP/1.1\r\nHost: here\r\n")
            wire = stack.enter_context(Wire(url))
            wire.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n")
        visitor = stack.enter_context(Wire(url))
        visitor.send(short())
        assert visitor.reply().status == 200


def test_request_is_refused_if_no_connection_is_idle(few: None, url: str, app: App) -> None:
    with ExitStack() as stack:
        for _ in range(LIMIT - 1):
            stack.enter_context(Wire(url)).send(head("GET /"))
        wait_until(lambda: app.requests == LIMIT - 1)
        visitor = stack.enter_context(Wire(url))
        visitor.send(short())
        assert visitor.reply().status == 503
