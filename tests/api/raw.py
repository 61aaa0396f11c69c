"""HTTP requests byte for byte, as no client library would send them."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from io import BufferedReader
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """A response; status 0 if the connection was closed instead."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)

    def header(self, name: str) -> str:
        """Return a header's value, or an empty string."""
        return str(self.headers.get(name, ""))


class Received(BufferedReader):
    """What a server has sent, which stays open behind a response for what follows."""

    def close(self) -> None:
        """Do nothing: ``HTTPResponse`` closes what it has read."""


class Wire:
    """A connection to a server."""

    def __init__(self, url: str, timeout: float = 15.0) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout)
        # Not by makefile(), whose file would keep the socket open.
        self.received = Received(socket.SocketIO(self.socket, "r"))

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Send bytes; return False if the server has closed the connection."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def remainder(self) -> bytes:
        """Return all that arrives until the server closes the connection."""
        received = b""
        with suppress(ConnectionResetError):
            while data := self.received.read1():
                received += data
        return received

    def makefile(self, _: str) -> Received:
        """Return what the server has sent; see ``HTTPResponse``."""
        return self.received

    def reply(self) -> Reply:
        """Read one complete response."""
        response = HTTPResponse(self)  # type: ignore[arg-type]
        try:
            response.begin()
            return Reply(response.status, response.headers, response.read())
        except (ConnectionResetError, HTTPException):
            return Reply(0, HTTPMessage(), b"")


def exchange(url: str, request: bytes) -> Reply:
    """Send a request on a connection of its own; return the response."""
    with Wire(url) as wire:
        wire.send(request)
        return wire.reply()


def head(start: str, host: str = "localhost", /, **headers: object) -> bytes:
    """Return a request's head; headers have ``_`` for ``-``."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return f"{start} HTTP/1.1\r\nHost: {host}\r\n{''.join(lines)}\r\n".encode()


def form(*parts: bytes, boundary: bytes = b"x") -> bytes:
    """Return a form's body; each part is its headers, a blank line and its content."""
    return b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % (
        boundary
    )


def file_part(field: str, name: str, content: bytes) -> bytes:
    """Return a form's part with a file."""
    head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"'
    return head.encode() + b"\r\n\r\n" + content
