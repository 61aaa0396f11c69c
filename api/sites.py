"""Sites: the app's names, whose pages may use it, and headers that restrict its own pages."""

import logging
import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from model.settings import is_local_name, settings

from .middleware import HttpMiddleware, edit_headers
from .problems import CrossSite, error_response, problem

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

HEALTH_PATHS = ("/api/live", "/api/ready", "/_stcore/health", "/ping")
"""Ends of the paths that hosting platforms request under their own host names."""

log = logging.getLogger("loupe.sites")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # In a frame, the framing page has to grant the camera as well.
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Headers of all responses. None forbids frames: any site may show the app in one."""

OTHER_NAME = (
    "This app isn't known by the name in the address. Open it at its own address. The owner of "
    "this server can add a name with LOUPE_HOSTS."
)


class CsrfMiddleware(HttpMiddleware):
    """Middleware that rejects requests from other sites, unless ``LOUPE_CORS`` names the site.

    CORS keeps another site's page from reading a response, but not from sending a form.
    """

    async def handle_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; see ASGI."""
        if scope["method"] in SAFE_METHODS or _is_allowed(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        error = CrossSite(
            "Requests from other sites are blocked. The owner of this server can allow one "
            "with LOUPE_CORS."
        )
        await error_response(error)(scope, receive, send)


def _is_allowed(headers: Headers) -> bool:
    """Return whether a request is from a page of this app or of an allowed site, or from no page.

    Browsers send a request's origin; other programs send none and pass. The rule follows
    Filippo Valsorda, "Cross-Site Request Forgery", 2025 (Go's
    ``http.CrossOriginProtection``). No page can set these headers for another site.
    """
    origin, fetch_site = headers.get("origin"), headers.get("sec-fetch-site")
    if {origin, "*"} & set(settings().origins):
        return True
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    if origin is None:
        # Other programs send neither.
        return True
    # Over plain HTTP, before 2023, and for websockets in Chromium, browsers send only the origin.
    # A proxy may add the default port to the host, or put another host in its place.
    site = origin.partition("://")[2]
    forwarded = headers.get("x-forwarded-host", "").partition(",")[0].strip()
    public = _host_of(str(settings().url or ""))
    hosts = {headers.get("host", "").lower(), forwarded.lower(), public}
    return bool(site) and not hosts.isdisjoint((site, f"{site}:80", f"{site}:443"))


class SiteMiddleware:
    """Middleware in front of everything, Streamlit's server included; it adds ``HEADERS``.

    If the app's names are known, it refuses requests for others: a site can make its name resolve
    to this machine (DNS rebinding), and a browser then takes its pages for the app's. It refuses
    websockets by the rule of ``CsrfMiddleware``.

    Args:
        origins: further origins or hosts whose pages may open a websocket; ``*`` for all.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self.app, self._names = app, {_name_of(_host_of(origin)) for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        app = (scope["type"] != "lifespan" and self._find_refusal(scope)) or self.app
        if scope["type"] == "websocket":
            # Streamlit compares origins with this machine's public address, for which it asks
            # another server while the app waits.
            headers = [pair for pair in scope["headers"] if pair[0] != b"origin"]
            scope = {**scope, "headers": headers}
        await app(scope, receive, edit_headers(send, _add_headers))

    def _find_refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        known, name = settings().host_names, _name_of(headers.get("host", ""))
        is_own = (
            not known
            or is_local_name(name)
            or any(name == own or (own[0] == "*" and name.endswith(own[1:])) for own in known)
        )
        if scope["type"] == "http":
            if is_own or scope["path"].endswith(HEALTH_PATHS):
                return None
            log.warning("Refused a request for %s: LOUPE_HOSTS doesn't name it.", name)
            return problem("misdirected", OTHER_NAME)
        page = _name_of(_host_of(headers.get("origin", "")))
        is_allowed = _is_allowed(headers) or not self._names.isdisjoint((page, "*"))
        if is_own and is_allowed:
            return None
        log.warning("Refused a websocket to %s from a page of %s.", name, page)
        # It becomes a 403. For another response, uvicorn would also log an error each time.
        return WebSocketClose()


def _add_headers(headers: MutableHeaders) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)


def _host_of(url: str) -> str:
    return url.rpartition("://")[2].partition("/")[0]


def _name_of(host: str) -> str:
    """Return the name or address in a Host header, in lower case, without its port."""
    parsed = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::\d*)?", host)
    # A malformed host never matches one of the app's names.
    return (parsed[1] or parsed[2]).rstrip(".").lower() if parsed else "malformed.invalid"
