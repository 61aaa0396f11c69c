"""Answers of the API leave as they are: not compressed by the server around it."""

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["NoGzipMiddleware"]


class NoGzipMiddleware:
    """ASGI middleware: what asks under ``/api/`` does not say that it takes gzip.

    Streamlit's server compresses whatever it sends. That would hold back the lines of a
    batch until a block is full, and cost half a second for each download of weights,
    which hardly shrink.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and "/api/" in scope["path"]:
            kept = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            scope = {**scope, "headers": kept}
        await self.app(scope, receive, send)
