"""Serve files over HTTP as a host of static files does: compressed once, then from memory."""

import gzip
import mimetypes
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

__all__ = ["serve_files"]

TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
"""Types without which browsers refuse a file; the system's table may lack them."""

PACKED = {".gz", ".jpg", ".jpeg", ".png", ".webp"}
"""Suffixes of files that are sent as they are."""


@contextmanager
def serve_files(folders: Mapping[str, Path]) -> Iterator[str]:
    """Serve folders on a free port of this machine and yield the address.

    Args:
        folders: a folder or a file by the beginning of its path, such as ``/models/``.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    cast(Any, server).folders = folders
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send a file."""
        data = self._send_head()
        with suppress(ConnectionError):
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        """Send a file's headers."""
        self._send_head()

    def _send_head(self) -> bytes:
        path = self._find(unquote(urlsplit(self.path).path))
        if path is None:
            self.send_error(404)
            return b""
        is_packed = path.suffix.lower() in PACKED
        data = path.read_bytes() if is_packed else _compress(path)
        self.send_response(200)
        guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.send_header("Content-Type", TYPES.get(path.suffix, guessed))
        if not is_packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        return data

    def _find(self, path: str) -> Path | None:
        for start, folder in cast(Any, self.server).folders.items():
            file = cast(Path, folder / path.removeprefix(start) if path != start else folder)
            if path.startswith(start) and ".." not in path and file.is_file():
                return file
        return None

    def log_message(self, *_: object) -> None:
        """Write no log."""


@cache
def _compress(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)
