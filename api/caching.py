"""Responses that clients and proxies may cache: ETag and Cache-Control."""

import hashlib
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

IMMUTABLE = "public, max-age=31536000, immutable"
"""For a URL that contains a hash of the content, so that it never changes."""


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
