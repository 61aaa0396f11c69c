"""HTTP requests byte for byte, as no client library would send them."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CHUNK = b"100000\r\n" + bytes(2**20) + b"\r\n"


@dataclass(frozen=True)
class Reply:
    """The first response on a connection; status 0 if the connection was closed instead."""

    status: int
    head: str
    body: bytes
    remainder: bytes

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)

    def header(self, name: str) -> str:
        """Return a header's value, or an empty string."""
        for line in self.head.splitlines()[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""


class Wire:
    """A connection to a server."""

    def __init__(self, url: str, timeout: float = 15.0) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout)

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

    def exceed(self, limit: int) -> Reply:
        """Send chunks of 1 MB just past a limit, but not the last one; return the response."""
        for _ in range(limit // len(CHUNK) + 1):
            assert self.send(CHUNK)
        return self.reply()

    def flood(self) -> int:
        """Send chunks of 1 MB, at most 200, until the server closes; return their number."""
        return next((sent for sent in range(200) if not self.send(CHUNK)), 200)

    def remainder(self) -> bytes:
        """Return all that arrives until the server closes the connection."""
        received = b""
        with suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                received += data
        return received

    def reply(self) -> Reply:
        """Read one complete response."""
        received = b""
        try:
            while b"\r\n\r\n" not in received and (data := self.socket.recv(65536)):
                received += data
            head, _, body = received.partition(b"\r\n\r\n")
            if not head:
                return Reply(0, "", b"", b"")
            text = head.decode("latin-1")
            if "transfer-encoding: chunked" in text.lower():
                while not body.endswith(b"0\r\n\r\n") and (data := self.socket.recv(65536)):
                    body += data
                return Reply(int(text.split()[1]), text, _whole(body), b"")
            length = int(text.lower().partition("content-length:")[2].split("\r\n")[0] or 0)
            while len(body) < length and (data := self.socket.recv(65536)):
                body += data
        except ConnectionResetError:
            return Reply(0, "", b"", b"")
        return Reply(int(text.split()[1]), text, body[:length], body[length:])


def _whole(chunked: bytes) -> bytes:
    body, remainder = b"", chunked
    while True:
        size, _, remainder = remainder.partition(b"\r\n")
        if not (length := int(size or b"0", 16)):
            return body
        body, remainder = body + remainder[:length], remainder[length + 2 :]


def form(*parts: bytes, boundary: bytes = b"x") -> bytes:
    """Return a form's body; each part is its headers, a blank line and its content."""
    return b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % (
        boundary
    )


def file_part(field: str, name: str, content: bytes) -> bytes:
    """Return a form's part with a file."""
    head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"'
    return head.encode() + b"\r\n\r\n" + content
