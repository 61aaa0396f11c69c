"""``/owner``: signing in to the owner's workshop, and the checks of what only the owner may do.

A link with a one-time token, or the key in ``LOUPE_OWNER_KEY``, signs a browser in.
"""

import asyncio
import hmac
import secrets
from contextlib import suppress
from functools import partial
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from model.errors import LoupeError
from model.settings import is_private_host, settings
from model.sign_ins import SIGN_IN_LIFETIME, SignIn, find_sign_in, read_cookies, sign_ins

from .body_limits import limited_body, read_body
from .middleware import HttpMiddleware, edit_headers, guarded_app
from .owner_photos import (
    correction_photo,
    corrections_zip,
    held_out_photo,
    save_photos,
    send_photo,
)
from .problems import CrossSite

PAGE = Path(__file__).with_name("door.html")

FIRST_PAGE = "photos"
"""The page that opens after signing in."""

MAX_WRONG_KEYS, MINUTE_SECONDS = 5, 60
"""Wrong keys of one address within a minute after which it is told to wait."""

MAX_ADDRESSES = 1000
"""Most addresses whose wrong keys are counted."""

KEY_BYTES = 1000
"""Longest body with a key, in bytes."""

COMMAND = "python -m model owner"

WELCOME = (
    "This link works once, on the device that opens it. In the workshop, you train models, review "
    "corrections and publish."
)
OLD_LINK = f"This link isn’t valid: it was used or is too old. Make a new one with: {COMMAND}"
NO_LINK = f"The owner of this app opens it with a link. To make one: {COMMAND}"
FRAMED = "This page is in a frame of another site. Open the app’s own address instead."
NOT_PRIVATE = (
    "Over plain http, the owner can sign in only on this machine or a private network. Open the "
    "app’s https address."
)


# Password managers need a name.
KEY_FIELD = """<input type="text" autocomplete="username" value="owner" hidden>
<label>Key <input id="key" type="password" autocomplete="current-password" required></label>"""


class OwnerRefused(LoupeError, code="owner-refused"):
    """A sign-in that isn't allowed, or a request of somebody who isn't signed in."""


class TooManyTries(LoupeError, code="too-many-tries"):
    """A wrong key, from an address that has sent others within a minute."""

    retry_after = MINUTE_SECONDS


_wrong_keys: dict[str, int] = {}
"""Wrong keys by address; each address is forgotten a minute after its first."""


def door_routes(base_path: str = "") -> list[BaseRoute]:
    """Return the routes below ``/owner``; ``base_path`` is Streamlit's, as in ``page_routes``."""
    enter = partial(_sign_in, base_path=base_path)
    routes = [
        Route("/", show_door),
        Route("/", enter, methods=["POST"]),
        Route("/corrections.zip", corrections_zip, middleware=OWNER_ONLY),
        Route("/corrections/{file:segment}", correction_photo, middleware=OWNER_ONLY),
        Route(
            "/held-out/{model:segment}/{label:segment}/{file:segment}",
            held_out_photo,
            middleware=OWNER_ONLY,
        ),
        Route("/photos/{name:segment}", save_photos, methods=["POST"], middleware=OWNER_ONLY),
        Route("/photos/{name:segment}/{photo:path}", send_photo, middleware=OWNER_ONLY),
        Route("/{token:segment}", show_door),
        Route("/{token:segment}", enter, methods=["POST"]),
    ]
    app = guarded_app(routes)
    return [Route("/owner", RedirectResponse("owner/", 307)), Mount("/owner", app=app)]


def show_door(request: Request) -> Response:
    """Show what opens the workshop. Chats fetch links for a preview, so this changes nothing."""
    token = request.path_params.get("token")
    if request.headers.get("sec-fetch-dest") in ("iframe", "frame", "embed", "object"):
        return _door(FRAMED)
    if token is None:
        return _door("Type the owner’s key.", "key") if settings().owner_key else _door(NO_LINK)
    is_valid = sign_ins().has(token, is_link=True)
    return _door(WELCOME, "button") if is_valid else _door(OLD_LINK, status=404)


def _door(text: str, way: str = "", status: int = 200) -> Response:
    """Return the page with a text, and a button or a field for the key, or neither."""
    nonce = secrets.token_urlsafe(16)
    field = KEY_FIELD if way == "key" else ""
    words = {"text": text, "way": way, "field": field, "nonce": nonce, "framed": FRAMED}
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex",
    }
    html = Template(PAGE.read_text(encoding="utf-8")).substitute(words)
    return HTMLResponse(html, status, headers)


async def _sign_in(request: Request, base_path: str) -> Response:
    origin = own_origin(request.headers)
    if origin is None:
        raise CrossSite("Only a page of this app, at its own address, signs the owner in.")
    url = urlsplit(origin)
    if url.scheme == "http" and not is_private_host(url.hostname or ""):
        raise OwnerRefused(NOT_PRIVATE)
    if link := request.path_params.get("token"):
        token = await run_in_threadpool(sign_ins().spend_link, link)
        if token is None:
            raise OwnerRefused(OLD_LINK)
    else:
        async with limited_body(request, KEY_BYTES) as body:
            _check_key(await read_body(body), request.client.host if request.client else "")
        token = await run_in_threadpool(sign_ins().open)
    sign_in = SignIn(token, origin)
    response = RedirectResponse(f"../{FIRST_PAGE}", 303, {"Cache-Control": "no-store"})
    response.set_cookie(
        sign_in.cookie_name(base_path),
        sign_in.to_cookie(),
        max_age=int(SIGN_IN_LIFETIME.total_seconds()),
        path=base_path or "/",
        secure=url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


def _check_key(given: bytes, address: str) -> None:
    """Compare a key with the owner's, which always enters, whatever others have tried."""
    key = settings().owner_key
    if key is None:
        raise OwnerRefused(NO_LINK)
    # Of equal length, so that the time tells nothing about the key's.
    digests = (sha256(text).digest() for text in (given, key.get_secret_value().encode()))
    if hmac.compare_digest(*digests):
        return
    network = _network_of(address)
    if network not in _wrong_keys and len(_wrong_keys) >= MAX_ADDRESSES:
        network = ""
    if network not in _wrong_keys:
        _wrong_keys[network] = 0
        asyncio.get_running_loop().call_later(MINUTE_SECONDS, _wrong_keys.pop, network, None)
    _wrong_keys[network] += 1
    if _wrong_keys[network] > MAX_WRONG_KEYS:
        raise TooManyTries("This isn’t the owner’s key, like others before. Wait a minute.")
    raise OwnerRefused("This isn’t the owner’s key.")


def _network_of(address: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 one, which a client may have alone."""
    with suppress(ValueError):
        ip = ip_address(address)
        if isinstance(ip, IPv6Address):
            return str(ip.ipv4_mapped or ip_network((int(ip), 64), strict=False))
        return str(ip)
    return ""


def own_origin(headers: Headers) -> str | None:
    """Return the origin of the page that sent a request, if it is this app's; else None.

    It has the app's scheme, host and port: those of ``LOUPE_URL``, or of the address that the
    request is for, whose scheme a proxy hides. ``LOUPE_CORS`` doesn't count.
    """
    origin = headers.get("origin", "").lower()
    forwarded = headers.get("x-forwarded-host", "").partition(",")[0].strip()
    hosts = {headers.get("host", "").lower(), forwarded.lower()} - {""}
    own = {f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts}
    if settings().url:
        own.add(str(settings().url))
    is_own = _origin_of(origin) in {*map(_origin_of, own)} - {""}
    return origin if is_own and origin != "null" else None


def _origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, without the scheme's default port; "" if malformed."""
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            return ""
    except ValueError:
        return ""
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(default)}"


def require_owner(request: Request) -> SignIn:
    """Return the owner's sign-in for a request from one of the app's own pages.

    Raises:
        OwnerRefused: the browser isn't signed in, or another site's page sent the request.
        DataError: the database can't be read.
    """
    sign_in = find_sign_in(request.cookies)
    # A browser that sends neither header can't show the response to another site's page.
    fetch_site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    is_own = fetch_site in ("same-origin", "none") and (
        request.method in ("GET", "HEAD")
        if origin is None
        else sign_in and origin == sign_in.origin
    )
    if sign_in is None or not is_own:
        raise OwnerRefused(f"This belongs to the owner of this app. {NO_LINK}")
    return sign_in


class OwnerOnlyMiddleware(HttpMiddleware):
    """Middleware that refuses requests, before their bodies are read, that aren't the owner's."""

    async def handle_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; see ASGI."""
        await run_in_threadpool(require_owner, Request(scope))
        await self.app(scope, receive, send)


OWNER_ONLY = [Middleware(OwnerOnlyMiddleware)]


class OwnerMiddleware:
    """Middleware that keeps the owner's cookie from pages of other origins.

    Browsers send it to every port of a host, and Streamlit reads it from a websocket's handshake.
    Where it is sent for a page, no other origin may show that page in a frame.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        headers = MutableHeaders(scope={"headers": [], **scope})
        # A proxy may split the header, as HTTP/2 allows.
        cookies = cookie_parser("; ".join(headers.getlist("cookie")))
        owners = {name: one.origin for name, one in read_cookies(cookies)}
        if owners and scope["type"] == "http":
            send = edit_headers(send, _forbid_frames)
        elif owners:
            origin = headers.get("origin")
            kept = {
                name: text for name, text in cookies.items() if owners.get(name) in (None, origin)
            }
            headers["cookie"] = "; ".join(map("=".join, kept.items()))
            scope = {**scope, "headers": headers.raw}
        await self.app(scope, receive, send)


def _forbid_frames(headers: MutableHeaders) -> None:
    headers.append("Content-Security-Policy", "frame-ancestors 'self'")
