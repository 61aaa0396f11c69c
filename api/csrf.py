"""Pages of other sites: their browsers say so, and are refused unless the owner named the site."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from model.settings import settings

from .problems import CrossSite, refusal

__all__ = ["CsrfMiddleware"]

PORTS = {"http": 80, "https": 443}
READING = ("GET", "HEAD", "OPTIONS")


class CsrfMiddleware:
    """ASGI middleware: what changes something, or makes work, comes from pages of one's own.

    CORS keeps another site's page from reading an answer, not from sending a form. A browser
    says where a request comes from; programs say nothing, and pass. The rule is that of
    Filippo Valsorda, "Cross-Site Request Forgery", 2025 (Go's ``http.CrossOriginProtection``).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] in READING or _welcome(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        answer = refusal(
            CrossSite(
                "A page of another site asked. Whoever runs this server can allow it with "
                "LOUPE_CORS."
            )
        )
        await answer(scope, receive, send)


def _welcome(headers: Headers) -> bool:
    origin, fetched = headers.get("origin"), headers.get("sec-fetch-site")
    if {origin, "*"} & set(settings().origins):
        return True
    if fetched is not None:
        return fetched in ("same-origin", "none")
    # Over plain http, and before 2023, browsers send the origin alone; programs not even that.
    return origin is None or _same(origin, headers.get("host", ""))


def _same(origin: str, host: str) -> bool:
    """Whether an origin has this host and port; one that is not said is the scheme's."""
    try:
        page, own = urlsplit(origin), urlsplit(f"//{host}")
        usual = PORTS.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or usual) == (
            own.hostname,
            own.port or usual,
        )
    except ValueError:
        return False
