"""Headers for caching by clients and proxies: ETag and Cache-Control."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["IMMUTABLE", "has_etag", "revalidate"]

IMMUTABLE = "public, max-age=31536000, immutable"
"""For a URL that contains a hash of the content, so that it never changes."""


def has_etag(request: Request, tag: str) -> bool:
    """Return whether If-None-Match has this ETag (RFC 9110, weak comparison)."""
    header = request.headers.get("if-none-match", "")
    sent_tags = (sent.strip().removeprefix("W/") for sent in header.split(","))
    return header.strip() == "*" or tag.removeprefix("W/") in sent_tags


def revalidate(request: Request, response: Response) -> Response:
    """Add an ETag of the whole body to a response; return 304 if the client has that body."""
    tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    if has_etag(request, tag):
        response = Response(status_code=304)
    response.headers.update({"Cache-Control": "no-cache", "ETag": tag})
    return response
