"""Limits on connections before a request is complete: bytes and seconds for its request head."""

import asyncio
import logging
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from model.settings import settings

HEAD_TIMEOUT_SECONDS = 10.0
"""Longest time for the first line and the headers of a request, in seconds."""

MESSAGE_BYTES_PER_PHOTO = 2**10
"""Largest message on a page's websocket per photo of a batch, in bytes: it lists the uploads."""

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
        self._time_head()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._stop_timer()
        super().connection_lost(exc)

    def _time_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


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
        config.ws_max_size = MESSAGE_BYTES_PER_PHOTO * max(1000, settings().batch)
        config.timeout_graceful_shutdown = SHUTDOWN_SECONDS
    else:
        log.warning("Not run by uvicorn: endless request heads aren't limited.")
