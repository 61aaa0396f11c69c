"""Clients of the API that ask all the time, in one thread that takes little of the machine."""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .registry import NoFigure

__all__ = ["Load", "load"]

PATIENCE = 60
"""Seconds without any answer after which the server is given up."""


@dataclass(frozen=True, slots=True)
class Load:
    """What many clients found.

    ``seconds`` in all, ``waits`` from a request to its whole answer, s; ``refused`` are
    answers with another status than 200.
    """

    seconds: float
    waits: tuple[float, ...]
    refused: int

    def quantile(self, share: float) -> float:
        """The wait that ``share`` of the answers did not exceed, s."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class Client:
    """A connection that is kept unless the server ends it, with what has come of the answer."""

    socket: socket.socket
    ending: bool = False
    began: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    left: int | None = None
    status: int = 0

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.began, self.left = time.perf_counter(), None
        self.received.clear()
        self.socket.sendall(request)

    def take(self) -> bool:
        """Read what is there; whether the answer is whole."""
        data = self.socket.recv(2**16)
        if not data:
            raise NoFigure("the server closed a connection")
        self.received += data
        if self.left is None:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = bytes(self.received[:end]).lower()
            self.status = int(head.split(b" ", 2)[1])
            self.ending = b"\r\nconnection: close" in head
            length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            self.left = end + 4 + int(length)
        return len(self.received) >= self.left


def load(url: str, photos: Sequence[bytes], clients: int) -> Load:
    """Post each photo once, ``clients`` of them at a time, over connections that are kept.

    Raises:
        NoFigure: the server does not answer.
    """
    address = urlsplit(url)
    host, port = address.hostname or "127.0.0.1", address.port or 80
    head = f"POST {address.path}?{address.query} HTTP/1.1\r\nHost: {host}\r\n"
    requests = [
        f"{head}Content-Type: image/jpeg\r\nContent-Length: {len(photo)}\r\n\r\n".encode() + photo
        for photo in photos
    ]
    waits: list[float] = []
    refused = 0

    def begin(selector: selectors.BaseSelector) -> None:
        client = Client(socket.create_connection((host, port)))
        client.ask(requests.pop())
        selector.register(client.socket, selectors.EVENT_READ, client)

    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        for _ in range(min(clients, len(requests))):
            begin(selector)
        while selector.get_map():
            ready = selector.select(PATIENCE)
            if not ready:
                raise NoFigure(f"the API gave no answer in {PATIENCE} s")
            for key, _ in ready:
                if not key.data.take():
                    continue
                waits.append(time.perf_counter() - key.data.began)
                refused += key.data.status != 200
                if requests and not key.data.ending:
                    key.data.ask(requests.pop())
                    continue
                selector.unregister(key.fileobj)
                key.data.socket.close()
                if requests:
                    begin(selector)
        return Load(time.perf_counter() - began, tuple(waits), refused)
