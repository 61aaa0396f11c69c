"""Streamlit's static files, sent compressed; see ``model.browser.page_files``."""

from functools import lru_cache
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.browser.page_files import find_compressed

from .caching import IMMUTABLE
from .middleware import HttpMiddleware

SUFFIXES = {"br": ".br", "gzip": ".gz", "identity": ""}
"""Encodings by preference, with what they add to a file's name."""


class StaticFilesMiddleware(HttpMiddleware):
    """Middleware that sends a compressed file to browsers that take it; all else is Streamlit's."""

    def __init__(self, app: ASGIApp, base_path: str = "") -> None:
        super().__init__(app)
        self._prefix = f"{base_path}/static/"
        self._base_path = base_path
        self._sender = StaticFiles()

    async def handle_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; see ASGI."""
        if not scope["path"].startswith(self._prefix):
            await self.app(scope, receive, send)
        elif response := self._find(scope):
            await response(scope, receive, send)
        else:

            async def send_plain(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
                await send(message)

            await self.app(scope, receive, send_plain)

    def _find(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        # A byte range refers to the plain file.
        if "range" in headers or scope["method"] not in ("GET", "HEAD"):
            return None
        name = scope["path"].removeprefix(self._base_path).removeprefix("/")
        for folder in find_compressed():
            for encoding in accepted_encodings(headers.get("accept-encoding", "")):
                if (file := name + SUFFIXES[encoding]) in _list_files(folder):
                    return self._respond(folder / file, encoding, scope)
        return None

    def _respond(self, file: Path, encoding: str, scope: Scope) -> Response | None:
        try:
            stat = file.stat()
        except OSError:  # removed by hand
            return None
        response = self._sender.file_response(file, stat, scope)
        response.headers["Cache-Control"] = IMMUTABLE
        response.headers.add_vary_header("Accept-Encoding")
        if response.status_code == 200 and encoding != "identity":
            response.headers["Content-Encoding"] = encoding
        return response


def accepted_encodings(header: str) -> list[str]:
    """Return those of ``SUFFIXES`` that an Accept-Encoding header allows, the best first."""
    parts = [part.replace(" ", "").lower().partition(";") for part in header.split(",")]
    accepted = {name for name, _, weight in parts if weight.rstrip("0.") != "q="} | {"identity"}
    return [encoding for encoding in SUFFIXES if encoding in accepted]


@lru_cache(maxsize=4)
def _list_files(folder: Path) -> frozenset[str]:
    """Return the files of a folder, which never change; no other name leads to a file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return frozenset(path.relative_to(folder).as_posix() for path in files)
