"""Serve files over HTTP as a host of static files does: compressed once, then from memory."""

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
"""Types without which browsers refuse a file; the system's table may lack them."""

PACKED = {".gz", ".jpg", ".jpeg", ".png", ".webp"}
"""Suffixes of files that are sent uncompressed."""


@contextmanager
def serve_files(folders: Mapping[str, Path]) -> Iterator[str]:
    """Serve folders on a free port of this machine and yield the address.

    Args:
        folders: a folder or a file by the beginning of its path, such as ``/models/``.
    """
    handler = type("Handler", (_Handler,), {"folders": folders})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


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
