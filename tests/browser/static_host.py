"""A static web server below a path, as awkward as hosts can be, that counts what browsers load."""

import contextlib
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.http_server import Handler, http_server

PREFIX = "/some/path/"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".png": "image/png"}
"""The types that every server knows."""


@dataclass
class StaticHost:
    """A running server of one folder, at ``url``."""

    url: str
    folder: Path
    compresses: bool = False
    """True if it packs text on the way, as most hosts do."""
    encodings: Mapping[str, str] = field(default_factory=dict)
    """``Content-Encoding`` by suffix."""
    asked: list[str] = field(default_factory=list)
    """Paths below the prefix, in order."""
    changed: dict[str, bytes] = field(default_factory=dict)
    """Other contents of files, by path."""
    is_down: bool = False


@contextlib.contextmanager
def static_host(folder: Path, **options: Any) -> Iterator[StaticHost]:
    """Serve a folder; the options are those of ``StaticHost``."""
    running: StaticHost

    class Files(Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path).removeprefix(PREFIX)
            running.asked.append(path)
            file = folder / (path or "index.html")
            if running.is_down:
                self.close_connection = True
            elif not self.path.startswith(PREFIX) or not file.is_file():
                self._answer(404, b"<h1>Not found</h1>", {"Content-Type": "text/html"})
            else:
                self._send(file, running.changed.get(path) or file.read_bytes())

        def _send(self, file: Path, data: bytes) -> None:
            tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            kind = TYPES.get(file.suffix, "application/octet-stream")
            headers = {"Content-Type": kind, "ETag": tag}
            if self.headers["If-None-Match"] == tag:
                return self._answer(304, b"", headers)
            if running.compresses and file.suffix in {".html", ".css", ".js", ".json"}:
                data, headers["Content-Encoding"] = gzip.compress(data), "gzip"
            elif encoding := running.encodings.get(file.suffix):
                headers["Content-Encoding"] = encoding
            return self._answer(200, data, headers)

        def _answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(data)

    with http_server(Files) as address:
        url = address.replace("127.0.0.1", "localhost") + PREFIX
        running = StaticHost(url, folder, **options)
        yield running
