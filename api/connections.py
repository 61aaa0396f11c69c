"""Limits on connections: seconds and bytes of request heads and messages, and their number."""

import asyncio
import logging
import socket
from contextlib import suppress
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from model.resources import descriptor_limit
from model.settings import settings

HEAD_TIMEOUT_SECONDS = 10.0
"""Longest time for the first line and the headers of a request, in seconds."""

STALL_SECONDS = 60
"""Longest time in which a client acknowledges nothing of what it is sent, in seconds.

A slow connection takes minutes to drain what the system buffers, but acknowledges some of it.
"""

RESPONSE_BYTES = 2**18
"""Memory of a response that its client does not read, in bytes."""

MESSAGE_BYTES, MESSAGE_BYTES_PER_PHOTO = 2**16, 2**10
"""Largest message on a page's websocket, in bytes, and for each file in its list of uploads."""

UNREAD_MESSAGES = 100
"""Most messages, or parts of one, that a page may send ahead."""

SHUTDOWN_SECONDS = 25
"""Longest wait for connections after the signal to stop, in seconds: hosts kill after 30."""

log = logging.getLogger("loupe.api")


class HeadTimeoutProtocol(H11Protocol):
    """HTTP by h11, which refuses heads over 64 kB; slow heads end their connection.

    httptools, which uvicorn prefers where it is installed, buffers a URL of any length, and copies
    all of it at each packet.
    """

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        # The system knows what the client has acknowledged; the server, what the system has taken.
        _set_option(transport, socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", STALL_SECONDS * 1000)
        _set_option(transport, socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", 2**16)
        self._time_head()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._stop_timer()
        _stalled.pop(self, None)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio. Where many clients don't read, the one that stopped first makes room."""
        super().pause_writing()
        _stalled[self] = None
        if len(_stalled) * RESPONSE_BYTES > settings().memory_mb * 2**20 // 8:
            (first := next(iter(_stalled))).transport.abort()
            del _stalled[first]

    def resume_writing(self) -> None:
        """See asyncio."""
        super().resume_writing()
        _stalled.pop(self, None)

    def _time_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


_stalled: dict[HeadTimeoutProtocol, None] = {}
"""Connections whose clients don't read, in the order in which they stopped."""


class PageProtocol(WebSocketsSansIOProtocol):
    """A page's websocket, which can't send or leave unread much, and can be ended at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        super().connection_made(transport)
        _set_option(transport, socket.SOL_SOCKET, "SO_RCVBUF", MESSAGE_BYTES)

    def data_received(self, data: bytes) -> None:
        """See asyncio. A message of no bytes takes hundreds, so they are counted as they arrive."""
        for start in range(0, len(data), 2**12):
            super().data_received(data[start : start + 2**12])
            if self.queue.qsize() + len(self.frames) > UNREAD_MESSAGES:
                self.end()
            if self.transport.is_closing():
                break

    async def receive(self) -> Any:
        """See ASGI. Waits for a client that doesn't read, so that few answers wait for it."""
        await self.writable.wait()
        return await super().receive()

    def allow_uploads(self, count: int) -> None:
        """Let messages list this many uploads."""
        count = min(count, max(1000, settings().batch))
        self.conn.max_message_size = MESSAGE_BYTES + MESSAGE_BYTES_PER_PHOTO * count

    def end(self) -> None:
        """Close the connection, whether or not its client reads that; it may try again later."""
        while not self.queue.empty():
            self.queue.get_nowait()
        with suppress(InvalidState):
            self.conn.send_close(1013)
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
        config.ws_protocol_class, config.ws_max_size = PageProtocol, MESSAGE_BYTES
        # The sessions of websockets take half of the descriptors, and some responses send a file.
        config.limit_concurrency = descriptor_limit() // 3
        config.timeout_graceful_shutdown = SHUTDOWN_SECONDS
    else:
        log.warning("Not run by uvicorn: endless request heads aren't limited.")
