"""A load generator for the API: many connections on one thread, so that it uses little CPU."""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .registry import NotMeasured

__all__ = ["LoadResult", "run_load"]

TIMEOUT_SECONDS = 60
"""Longest wait for any response, in seconds."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Latencies of a load run.

    ``seconds`` is the whole run; ``latencies`` are seconds from a request to its complete
    response; ``errors`` counts responses with a status other than 200.
    """

    seconds: float
    latencies: tuple[float, ...]
    errors: int

    def quantile(self, share: float) -> float:
        """Return the latency that ``share`` of the responses did not exceed, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class Connection:
    """A keep-alive connection and what has arrived of the response."""

    socket: socket.socket
    closing: bool = False
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    response_end: int | None = None
    status: int = 0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.sent_at, self.response_end = time.perf_counter(), None
        self.received.clear()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what has arrived; return whether the response is complete."""
        data = self.socket.recv(2**16)
        if not data:
            raise NotMeasured("the server closed a connection")
        self.received += data
        if self.response_end is None:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = bytes(self.received[:end]).lower()
            self.status = int(head.split(b" ", 2)[1])
            self.closing = b"\r\nconnection: close" in head
            length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            self.response_end = end + 4 + int(length)
        return len(self.received) >= self.response_end


def run_load(url: str, photos: Sequence[bytes], clients: int) -> LoadResult:
    """Post each photo once over ``clients`` keep-alive connections.

    Raises:
        NotMeasured: the server doesn't respond.
    """
    address = urlsplit(url)
    host, port = address.hostname or "127.0.0.1", address.port or 80
    head = f"POST {address.path}?{address.query} HTTP/1.1\r\nHost: {host}\r\n"
    requests = [
        f"{head}Content-Type: image/jpeg\r\nContent-Length: {len(photo)}\r\n\r\n".encode() + photo
        for photo in photos
    ]
    latencies: list[float] = []
    errors = 0

    def connect(selector: selectors.BaseSelector) -> None:
        connection = Connection(socket.create_connection((host, port)))
        connection.send(requests.pop())
        selector.register(connection.socket, selectors.EVENT_READ, connection)

    with selectors.DefaultSelector() as selector:
        started = time.perf_counter()
        for _ in range(min(clients, len(requests))):
            connect(selector)
        while selector.get_map():
            ready = selector.select(TIMEOUT_SECONDS)
            if not ready:
                raise NotMeasured(f"the API did not respond in {TIMEOUT_SECONDS} s")
            for key, _ in ready:
                if not key.data.receive():
                    continue
                latencies.append(time.perf_counter() - key.data.sent_at)
                errors += key.data.status != 200
                if requests and not key.data.closing:
                    key.data.send(requests.pop())
                    continue
                selector.unregister(key.fileobj)
                key.data.socket.close()
                if requests:
                    connect(selector)
        return LoadResult(time.perf_counter() - started, tuple(latencies), errors)
