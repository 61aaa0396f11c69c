"""Files that clients and proxies may cache, and Streamlit's, which are sent compressed.

See ``model.browser.page_files`` for the compressed files.
"""

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from model.browser.page_files import find_compressed

from .middleware import HttpMiddleware, edit_headers

IMMUTABLE = "public, max-age=31536000, immutable"
"""For a URL that contains a hash of the content, so that it never changes."""

SUFFIXES = {"br": ".br", "gzip": ".gz", "identity": ""}
"""Encodings by preference, with what they add to a file's name."""


class ResumableFile(FileResponse):
    """A file response that supports ``Range: bytes=N-``, to resume an interrupted download.

    Any other range gets the complete file, because Starlette's range errors are plain text.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if name != b"range" or self._is_rest(value)
        ]
        await super().__call__({**scope, "headers": headers}, receive, send)

    def _is_rest(self, value: bytes) -> bool:
        match = re.fullmatch(rb"bytes=(\d{1,15})-", value)
        return match is not None and int(match[1]) < Path(self.path).stat().st_size


def cached(request: Request, response: Response, tag: str, caching: str = IMMUTABLE) -> Response:
    """Return a response with an ETag and Cache-Control, or 304 if the client has this version.

    If-None-Match is compared weakly (RFC 9110).
    """
    header = request.headers.get("if-none-match", "")
    sent_tags = [sent.strip().removeprefix("W/") for sent in header.split(",")]
    if header.strip() == "*" or tag in sent_tags:
        response = Response(status_code=304)
    response.headers.update({"Cache-Control": caching, "ETag": tag})
    return response


def revalidate(request: Request, response: Response) -> Response:
    """Return a response with an ETag of its body, or 304 if the client has that body."""
    tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    return cached(request, response, tag, "no-cache")


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
            await self.app(scope, receive, edit_headers(send, _vary_by_encoding))

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
        _vary_by_encoding(response.headers)
        if response.status_code == 200 and encoding != "identity":
            response.headers["Content-Encoding"] = encoding
        return response


def _vary_by_encoding(headers: MutableHeaders) -> None:
    headers.add_vary_header("Accept-Encoding")


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
