"""Limits on connections: their number, and the time and size of request heads and messages."""

import asyncio
import logging
import math
import socket
import sys
from contextlib import suppress
from itertools import chain
from typing import Any

import h11
from h11._receivebuffer import ReceiveBuffer
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from model.resources import descriptor_limit
from model.settings import settings

HEAD_TIMEOUT_SECONDS = 10.0
"""Longest time without a running request, in seconds.

Also limits the wait for a request's headers, and for the rest of a body after an early response.
"""

HEADERS, HEAD_BYTES = 100, 2**14
"""Most headers of a request, and its largest head in bytes.

A head of 62 kB with 15,500 headers takes 1.6 MB, and blocks all other visitors for 27 ms.
"""

CONNECTION_BYTES = 2**16
"""Most memory of a connection while its request runs, in bytes, without body and response."""

RECEIVING_SHARE = 1 / 2
"""Largest share of all connections that may still be receiving a request's body."""

STALL_SECONDS = 60
"""Longest time in which a client acknowledges nothing of what it is sent, in seconds.

A slow connection takes minutes to drain what the system buffers, but acknowledges some of it.
"""

RESPONSE_BYTES = 2**18
"""Memory of a response whose client doesn't read, in bytes."""

MESSAGE_BYTES, MESSAGE_BYTES_PER_PHOTO = 2**16, 2**10
"""Largest message of a page, and how much larger it may be per photo that it lists, in bytes."""

UNREAD_MESSAGES = 100
"""Most messages, or parts of one, that a page may send ahead."""

SHUTDOWN_SECONDS = 25
"""Longest wait for connections after the signal to stop, in seconds: hosts kill after 30."""

log = logging.getLogger("loupe.api")

_idle: dict["HeadTimeoutProtocol", None] = {}
"""Connections without a running request, first those that have waited longest for one."""

_receiving: dict["HeadTimeoutProtocol", None] = {}
"""Connections whose request's body is still arriving, first the oldest."""

_waiting: dict[Any, int] = {}
"""Bytes by connection that wait until its client reads, or sends the rest of a message."""


def _count_waiting(connection: Any, count: int) -> None:
    """Record a connection's waiting bytes; close the oldest ones if the total is too large."""
    if not count:
        _waiting.pop(connection, None)
        return
    _waiting[connection] = count
    while len(_waiting) > 1 and sum(_waiting.values()) > settings().memory_mb * 2**20 // 8:
        first = next(iter(_waiting))
        del _waiting[first]
        first.transport.abort()


class HeadBuffer(ReceiveBuffer):
    """What h11 has received; large heads and trailers are refused before h11 parses their lines."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """See h11. Without this, h11 limits only heads that arrive in parts."""
        lines = super().maybe_extract_lines()
        if lines and (len(lines) > 1 + HEADERS or sum(map(len, lines)) > HEAD_BYTES):
            raise h11.RemoteProtocolError("Head too large", error_status_hint=431)
        return lines


class HeadTimeoutProtocol(H11Protocol):
    """HTTP by h11, with limited heads; connections that stay idle or send slow heads are closed.

    At the connection limit, a new connection closes the one that has been idle longest, or else
    the one that has been receiving a body longest. If there is neither, Uvicorn refuses requests.

    httptools, which uvicorn prefers where it is installed, buffers a URL of any length, and copies
    all of it at each packet.
    """

    response_bytes = RESPONSE_BYTES
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self.conn._receive_buffer = HeadBuffer()  # noqa: SLF001
        # The system knows what the client has acknowledged, the server only what the system took.
        _set_option(transport, socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", STALL_SECONDS * 1000)
        _set_option(transport, socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", 2**16)
        self._track()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        # Uvicorn checks its connection limit after it has read a head.
        self._make_room()
        super().data_received(data)
        self._track()

    def on_response_complete(self) -> None:
        """See uvicorn. Frees the request's head: the connection may stay open.

        A client that sends requests ahead would never be idle, so it has to connect again.
        """
        self.cycle.scope = self.scope = self.headers = None  # type: ignore[assignment]
        if self.conn.their_state is h11.DONE and self.conn.trailing_data[0]:
            self.transport.close()
            return
        super().on_response_complete()
        self._track()

    def send_400_response(self, msg: str) -> None:
        """See uvicorn. Sends 431 if the head was too large."""
        if self.conn.our_state is h11.ERROR:
            self.transport.close()
            return
        if getattr(sys.exception(), "error_status_hint", 400) != 431:
            super().send_400_response(msg)
            return
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        response = h11.Response(
            status_code=431, headers=headers, reason=b"Request Header Fields Too Large"
        )
        self.transport.write(self.conn.send(response) or b"")
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        super().connection_lost(exc)
        _count_waiting(self, 0)
        self._track()

    def pause_writing(self) -> None:
        """See asyncio."""
        super().pause_writing()
        _count_waiting(self, self.response_bytes)

    def resume_writing(self) -> None:
        """See asyncio."""
        super().resume_writing()
        _count_waiting(self, 0)

    def _track(self) -> None:
        """Record whether the connection is idle or receiving a body; an idle one gets a timer."""
        has_request = not getattr(self.cycle, "response_complete", True)
        if has_request and self.conn.their_state is h11.SEND_BODY and self in self.connections:
            _receiving.setdefault(self)
        else:
            _receiving.pop(self, None)
        # A closed connection isn't in this set, nor one that has become a page's websocket.
        if has_request or self not in self.connections:
            _idle.pop(self, None)
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self not in _idle:
            _idle[self] = None
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self.transport.close)

    def _make_room(self) -> None:
        """Close others that have been idle or receiving longest while there are too many."""
        limit = self.limit_concurrency or math.inf
        while len(self.connections) >= limit or len(_receiving) > limit * RECEIVING_SHARE:
            # Uvicorn counts a closed connection's task until it ends, so bodies get only a share.
            is_full = len(_receiving) > limit * RECEIVING_SHARE
            candidates = _receiving if is_full else chain(_idle, _receiving)
            oldest = next((one for one in candidates if one is not self), None)
            if oldest is None:
                break
            oldest.connections.discard(oldest)
            oldest._track()  # noqa: SLF001
            oldest.transport.abort()


class PageProtocol(WebSocketsSansIOProtocol):
    """A page's websocket: what it sends ahead and leaves unread is counted, and it can be ended."""

    def data_received(self, data: bytes) -> None:
        """See asyncio. Each message is counted, since even an empty one takes hundreds of bytes."""
        for start in range(0, len(data), 2**12):
            super().data_received(data[start : start + 2**12])
            if self.queue.qsize() + len(self.frames) > UNREAD_MESSAGES:
                self.end()
            if self.transport.is_closing():
                break
        self._count_bytes()

    def handle_ping(self) -> None:
        """Answer a ping, unless the client doesn't read."""
        pongs = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))

    async def receive(self) -> Any:
        """See ASGI. Waits until the client reads, so that few answers pile up."""
        await self.writable.wait()
        message = await super().receive()
        self._count_bytes()
        return message

    def pause_writing(self) -> None:
        """See asyncio."""
        super().pause_writing()
        self._count_bytes()

    def resume_writing(self) -> None:
        """See asyncio."""
        super().resume_writing()
        self._count_bytes()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio. Frees what is unread: the connection itself is in reference cycles."""
        self.conn.reader.discard()
        self.frames.clear()
        while not self.queue.empty():
            self.queue.get_nowait()
        _count_waiting(self, 0)
        super().connection_lost(exc)

    def _count_bytes(self) -> None:
        unread: Any = self.queue._queue  # type: ignore[attr-defined]  # noqa: SLF001
        messages = [message.get("bytes") or message.get("text") or "" for message in unread]
        count = sum(map(len, (self.conn.reader.buffer, *self.frames, *messages)))
        count += self.transport.get_write_buffer_size()
        # SESSION_BYTES includes less than that.
        _count_waiting(self, count if count > MESSAGE_BYTES else 0)

    def end(self, code: int = 1013) -> None:
        """Close the connection, whether or not its client reads why; 1013 is "try again later"."""
        self.conn.fail(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()
        self.loop.call_later(1, self.transport.abort)


def _set_option(transport: asyncio.BaseTransport, level: int, name: str, value: int) -> None:
    """Set an option of a connection's socket, where the system has it."""
    with suppress(AttributeError, OSError):
        transport.get_extra_info("socket").setsockopt(level, getattr(socket, name), value)


def limit_connections(receive: Any) -> None:
    """Set the limits of the uvicorn server that runs the app, at its start.

    ``streamlit run`` has no options for them, and imports the app after it chose its protocol;
    but each connection reads these fields anew.

    Args:
        receive: that of the server's lifespan.
    """
    config = getattr(getattr(receive, "__self__", None), "config", None)
    if isinstance(config, Config):
        config.http_protocol_class = HeadTimeoutProtocol
        config.ws_protocol_class = PageProtocol
        config.ws_max_size = MESSAGE_BYTES_PER_PHOTO * max(1000, settings().batch)
        config.h11_max_incomplete_event_size = HEAD_BYTES
        # Sessions take half of all descriptors, and a response may take two.
        by_memory = settings().memory_mb * 2**20 // 4 // CONNECTION_BYTES
        config.limit_concurrency = min(descriptor_limit() // 3, by_memory)
        config.timeout_graceful_shutdown = SHUTDOWN_SECONDS
    else:
        log.warning("Not run by uvicorn: endless request heads aren't limited.")
