"""A host of static files, a slow line and a client that posts many photos, on this machine."""

import asyncio
import gzip
import selectors
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from http.server import SimpleHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from tests.http_server import http_server

from .figure import NotMeasured

TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
"""Types without which browsers refuse a file; the system's table may lack them."""

PACKED = {".gz", ".jpg", ".jpeg", ".png", ".webp"}
"""Suffixes of files that are sent uncompressed."""

CHUNK_BYTES = 4096
"""Bytes that a slow line passes on at a time."""

TIMEOUT_SECONDS = 60
"""Longest wait for any response, in seconds."""


def serve_files(folders: Mapping[str, Path]) -> AbstractContextManager[str]:
    """Serve folders compressed, as hosts of static files do, and yield the address.

    Args:
        folders: a folder or a file by the beginning of its path, such as ``/models/``.
    """
    return http_server(type("Handler", (_Handler,), {"folders": folders}))


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise each response waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    extensions_map = SimpleHTTPRequestHandler.extensions_map | TYPES
    folders: ClassVar[Mapping[str, Path]]

    def send_head(self) -> BytesIO | None:
        """Send the headers of the requested file and return its body."""
        path = self._find(unquote(urlsplit(self.path).path))
        if path is None:
            self.send_error(404)
            return None
        is_packed = path.suffix.lower() in PACKED
        data = path.read_bytes() if is_packed else _compress(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        if not is_packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        return BytesIO(data)

    def _find(self, path: str) -> Path | None:
        for start, folder in self.folders.items():
            file = folder / path.removeprefix(start) if path != start else folder
            if path.startswith(start) and ".." not in path and file.is_file():
                return file
        return None

    def log_message(self, *_: object) -> None:
        """Write no log."""


@cache
def _compress(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)


@contextmanager
def slow_line(port: int, latency: float, rate: float) -> Iterator[int]:
    """Yield the port of a proxy that is slow for workers too: browsers slow down pages alone.

    Args:
        port: of the server on this machine.
        latency: seconds that a request waits.
        rate: bytes per second of all responses.
    """
    free_at = 0.0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            from_app, to_app = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, to_app, False), pump(from_app, writer, True))

    async def pump(
        source: asyncio.StreamReader, target: asyncio.StreamWriter, is_response: bool
    ) -> None:
        nonlocal free_at
        while data := await source.read(CHUNK_BYTES):
            if is_response:
                free_at = max(free_at, time.monotonic()) + len(data) / rate
            await asyncio.sleep(free_at - time.monotonic() if is_response else latency)
            target.write(data)
            await target.drain()
        target.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(relay, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for task in asyncio.all_tasks(loop):
            loop.call_soon_threadsafe(task.cancel)
        loop.call_soon_threadsafe(loop.call_later, 0.1, loop.stop)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Latencies of a load run.

    Attributes:
        seconds: the whole run.
        latencies: of the responses with status 200, sorted, in seconds from when a request was
            sent or due to the last byte.
        errors: responses with another status.
    """

    seconds: float
    latencies: tuple[float, ...]
    errors: int

    def quantile(self, share: float) -> float:
        """Return the latency that ``share`` of the responses did not exceed, in seconds."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def run_load(
    url: str, photos: Sequence[bytes], clients: int, due: Sequence[float] = ()
) -> LoadResult:
    """Post each photo once over at most ``clients`` keep-alive connections, from one thread.

    Args:
        url: of the API's route.
        photos: what to post.
        clients: the number of connections.
        due: ascending seconds from the start at which to post each photo; by default, as soon as a
            connection is free.

    Raises:
        NotMeasured: the server doesn't respond.
    """
    address = urlsplit(url)
    left = list(zip(due or [0.0] * len(photos), photos, strict=True))[::-1]
    latencies, errors = list[float](), 0
    idle = [
        HTTPConnection(address.hostname or "127.0.0.1", address.port, TIMEOUT_SECONDS)
        for _ in range(min(clients, len(left)))
    ]
    started = time.perf_counter()

    def seconds() -> float:
        return time.perf_counter() - started

    with selectors.DefaultSelector() as selector:
        while left or selector.get_map():
            while left and idle and left[-1][0] <= seconds():
                connection, (due_at, photo) = idle.pop(), left.pop()
                sent_at = due_at if due else seconds()
                headers = {"Content-Type": "image/jpeg"}
                # Connects again if the server has closed the connection.
                connection.request("POST", f"{address.path}?{address.query}", photo, headers)
                selector.register(connection.sock, selectors.EVENT_READ, (connection, sent_at))
            is_waiting = left and idle
            pause = max(0.0, left[-1][0] - seconds()) if is_waiting else TIMEOUT_SECONDS
            ready = selector.select(pause)
            if not ready and not is_waiting:
                raise NotMeasured(f"the API did not respond in {TIMEOUT_SECONDS} s")
            for key, _ in ready:
                selector.unregister(key.fileobj)
                connection, sent_at = key.data
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    latencies.append(seconds() - sent_at)
                else:
                    errors += 1
                idle.append(connection)
        elapsed = seconds()
    for connection in idle:
        connection.close()
    return LoadResult(elapsed, tuple(sorted(latencies)), errors)
