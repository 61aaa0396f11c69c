"""Paths of routes: a part of a path, the rest of one, and the app's base path."""

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from .middleware import HttpMiddleware


class Segment(StringConvertor):
    """A converter for one part of a path, never empty.

    python-fasthtml, which fastai imports, changes Starlette's own converter to match an empty
    part as well, so routes would depend on whether fastai was loaded first.
    """

    regex = "[^/]+"


class Rest(StringConvertor):
    """A converter for the rest of a path; Starlette's own does not match a line break."""

    regex = r"[\s\S]*"


register_url_convertor("segment", Segment())
register_url_convertor("rest", Rest())


class BasePathMiddleware(HttpMiddleware):
    """Middleware that serves the routes below ``server.baseUrlPath`` as well, not compressed.

    Streamlit's server adds that path to its own routes only, and would send a page for all others.
    It compresses whatever it sends, which would hold back the lines of a batch until a block is
    full, and add half a second to each download of weights, which hardly shrink.
    """

    def __init__(self, app: ASGIApp, base_path: str, roots: tuple[str, ...]) -> None:
        super().__init__(app)
        self.base_path = f"/{base_path.strip('/')}".rstrip("/")
        self.roots = roots

    async def handle_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; see ASGI."""
        path = scope["path"].removeprefix(self.base_path)
        if f"{path}/".startswith(self.roots):
            scope = dict(scope)
            if path != scope["path"] and not scope.get("root_path"):
                scope["root_path"] = self.base_path
            if path.startswith("/api/") or path.endswith(".gz"):
                headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
                scope["headers"] = headers
        await self.app(scope, receive, send)
