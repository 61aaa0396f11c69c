"""The HTML page that carries the app: Streamlit's, with the app's own title and link preview.

Streamlit names an app only once its script has run, so a link in a chat would show “Streamlit”.
"""

import hashlib
import re
from contextlib import suppress
from functools import lru_cache
from html import escape
from pathlib import Path

import streamlit
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from model import Bundle
from model.browser.streamlit_files import find_compressed, first_visit
from model.bundle import get_bundle
from model.errors import BundleError
from model.samples import samples
from model.settings import settings
from ui.app_info import app_description, app_title, default_bundle
from ui.first_screen import connection_bar, first_screen
from ui.first_visit import START, add_first_visit
from ui.navigation import ICON, PAGES, ROOT

__all__ = ["page_routes"]

VIEWFINDER = "Viewfinder"
"""The viewfinder's name in the address; other photo sources have other names."""

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"

PICTURE = ROOT / "ui" / "link-preview.png"
PICTURE_SIZE = (1200, 630)

FILES: dict[str, tuple[str | Path, str]] = {
    # Its address changes with its content.
    PICTURE.name: (PICTURE, "public, max-age=31536000, immutable"),
    "favicon.png": (ICON, "public, max-age=86400"),
    "start.js": (START, "no-cache"),
}
"""Files at the root by name, each with its Cache-Control."""

# A name or an address, with or without a port. Nothing else of a request is repeated.
HOST = re.compile(r"(?:[\w-]+(?:\.[\w-]+)*|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?", re.ASCII)
MAX_HOST = 255


def page_routes(base_path: str = "") -> list[Route]:
    """Return the routes of every page, the preview's picture and the icon.

    Args:
        base_path: Streamlit's ``server.baseUrlPath``: empty, or starting with a slash.
    """
    if not INDEX.is_file():  # Streamlit's own development
        return []
    _, *others = PAGES.items()

    def route(path: str, title: str) -> Route:
        def page(request: Request) -> Response:
            return _respond(request, base_path, path, title)

        # Streamlit's server doesn't compress what is at the root.
        return Route(base_path + path, page, middleware=[Middleware(GZipMiddleware)])

    return [
        # Below a base path, Streamlit redirects to the path with the slash.
        route("/", ""),
        *(route(f"/{name}", title) for name, title in others),
        *(Route(f"{base_path}/{name}", _send_file) for name in FILES),
    ]


def _send_file(request: Request) -> Response:
    path, caching = FILES[request.url.path.rsplit("/", 1)[-1]]
    return FileResponse(path, headers={"Cache-Control": caching})


def _respond(request: Request, base_path: str, path: str, page_title: str) -> Response:
    # Opened once, because opening a bundle takes 20 file system calls.
    bundle = default_bundle()
    title = app_title(bundle)
    page = _page(
        f"{page_title} · {title}" if page_title else title,
        app_description(bundle),
        _base_url(request, base_path),
        # A preview's address is what chats open, so a page with parameters names none.
        "" if request.url.query else path,
        next(iter(find_compressed()), None),
        _first_screen(request, bundle) if path == "/" else "",
    )
    etag = f'"{hashlib.sha256(page).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": etag}
    known = request.headers.get("if-none-match", "")
    if etag in {tag.strip().removeprefix("W/") for tag in known.split(",")} or known == "*":
        return Response(status_code=304, headers=headers)
    return HTMLResponse(page, headers=headers)


def _first_screen(request: Request, bundle: Bundle | None) -> str:
    """Return the first screen for the model of the address or of its answer, else the given one."""
    query = request.query_params
    if query.get("way", VIEWFINDER) != VIEWFINDER:
        return ""
    answer = query.get("answer", "")
    name = answer.partition("~")[0] or query.get("model", "")
    if name and (bundle is None or name != bundle.name):
        with suppress(BundleError):
            bundle = get_bundle(name)
    return first_screen(bundle, len(samples()), is_answer=bool(answer))


def _base_url(request: Request, base_path: str) -> str:
    """Return the app's public address without a final slash; empty if it can't be known."""
    if url := settings().url:
        return str(url).rstrip("/")
    host = request.headers.get("host", "")
    if len(host) > MAX_HOST or not HOST.fullmatch(host):
        return ""
    proto = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    scheme = proto if proto in ("http", "https") else request.url.scheme
    return f"{scheme}://{host}{base_path}"


@lru_cache(maxsize=32)
def _page(
    title: str, description: str, base_url: str, path: str, compressed: Path | None, first: str
) -> bytes:
    """Return the page with its head filled in.

    Args:
        title: of the page, as plain text.
        description: of the app, as plain text; may be empty.
        base_url: the app's address; empty leaves out what needs it.
        path: of the page below that address; empty leaves out the page's own address.
        compressed: folder of the compressed files of a first visit, or None.
        first: HTML of the first screen.
    """
    width, height = PICTURE_SIZE
    card = {
        "og:type": "website",
        "og:title": title,
        "og:description": description,
        "og:url": f"{base_url}{path}" if base_url and path else "",
    }
    if base_url:
        card |= {
            "og:image": f"{base_url}/{PICTURE.name}?v={_picture_version()}",
            "og:image:type": "image/png",
            "og:image:width": str(width),
            "og:image:height": str(height),
            "og:image:alt": title,
        }
    tags = [f"<title>{escape(title)}</title>"]
    tags += [
        f'<meta property="{name}" content="{escape(text)}" />'
        for name, text in card.items()
        if text
    ]
    plain = {"description": description, "twitter:card": "summary_large_image" if base_url else ""}
    tags += [
        f'<meta name="{name}" content="{escape(text)}" />' for name, text in plain.items() if text
    ]
    about = f"<noscript>\n      <h1>{escape(title)}</h1>\n      <p>{escape(description)}</p>"
    html = add_first_visit(
        INDEX.read_text(encoding="utf-8"), first_visit(compressed) if compressed else None
    )
    html = re.sub(r"<title>.*?</title>", lambda _: "\n    ".join(tags), html, count=1)
    html = html.replace("<noscript>", about, 1)
    return html.replace(
        '<div id="root"></div>', f'<div id="root"></div>{first}{connection_bar()}', 1
    ).encode()


@lru_cache(maxsize=1)
def _picture_version() -> str:
    return hashlib.sha256(PICTURE.read_bytes()).hexdigest()[:8]
