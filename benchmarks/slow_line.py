"""A proxy that is as slow as a phone's network, for workers too: browsers slow down pages alone."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

CHUNK_BYTES = 4096


class _SlowLine:
    def __init__(self, port: int, latency: float, rate: float) -> None:
        self._port, self._latency, self._rate = port, latency, rate
        self._free_at = 0.0

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay a connection: each request waits, and all responses share the rate."""
        with contextlib.suppress(OSError, asyncio.CancelledError):
            from_app, to_app = await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.gather(self._pump(reader, to_app, 0), self._pump(from_app, writer, 1))

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_response: int
    ) -> None:
        while data := await source.read(CHUNK_BYTES):
            if is_response:
                self._free_at = max(self._free_at, time.monotonic()) + len(data) / self._rate
                await asyncio.sleep(self._free_at - time.monotonic())
            else:
                await asyncio.sleep(self._latency)
            target.write(data)
            await target.drain()
        target.close()


@contextlib.contextmanager
def slow_line(port: int, latency: float, rate: float) -> Iterator[int]:
    """Yield the port of a proxy to a port of this machine.

    Args:
        port: of the server.
        latency: seconds that a request waits.
        rate: bytes a second of all responses.
    """
    loop = asyncio.new_event_loop()
    line = _SlowLine(port, latency, rate)
    server = loop.run_until_complete(asyncio.start_server(line.relay, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for task in asyncio.all_tasks(loop):
            loop.call_soon_threadsafe(task.cancel)
        loop.call_soon_threadsafe(loop.call_later, 0.1, loop.stop)
