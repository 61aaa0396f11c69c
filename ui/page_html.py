"""The HTML page that carries the app: Streamlit's, with the app's own title and link preview.

Streamlit names an app only once its script has run, so a link in a chat would show “Streamlit”.
"""

import hashlib
import re
from contextlib import suppress
from functools import lru_cache
from html import escape
from pathlib import Path
from time import monotonic

import streamlit
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from model import Bundle
from model.browser.page_files import find_compressed, first_visit
from model.bundle import get_bundle, read_samples
from model.errors import BundleError, DataError
from model.settings import settings
from model.sign_ins import find_sign_in
from ui.app_info import app_title, default_bundle, header_logo, preview_description
from ui.first_screen import START, add_first_visit, every_page, first_screen, to_script
from ui.link_preview import ANSWER_PICTURE, PICTURE, describe_answer, send_answer_picture
from ui.navigation import ICON, PAGES
from ui.viewfinder import OWN_PARAMS, early_data

DATA_SECONDS = 2
"""Lifetime of the viewfinder's cached data, in seconds. Making it opens every bundle."""

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"

FILES: dict[str, tuple[str | Path, str]] = {
    PICTURE.name: (PICTURE, "public, max-age=86400"),
    "favicon.png": (ICON, "public, max-age=86400"),
    "start.js": (START, "no-cache"),
}
"""Files at the root by name, each with its Cache-Control."""


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
            return _respond(request, path, title)

        # Streamlit's server doesn't compress what is at the root.
        return Route(base_path + path, page, middleware=[Middleware(GZipMiddleware)])

    return [
        # Below a base path, Streamlit redirects to the path with the slash.
        route("/", ""),
        *(route(f"/{name}", title) for name, title in others),
        *(Route(f"{base_path}/{name}", _send_file) for name in FILES),
        Route(f"{base_path}/{ANSWER_PICTURE}", send_answer_picture),
    ]


def _send_file(request: Request) -> Response:
    path, caching = FILES[request.url.path.rsplit("/", 1)[-1]]
    return FileResponse(path, headers={"Cache-Control": caching})


def _respond(request: Request, path: str, page_title: str) -> Response:
    # Opened once, because opening a bundle takes 20 file system calls.
    bundle = _bundle(request) if path == "/" else default_bundle()
    title = app_title(bundle)
    answer = request.query_params.get("answer", "") if path == "/" else ""
    shared = describe_answer(answer) if answer else None
    own_title = f"{page_title} · {title}" if page_title else title
    # Answers are anyone's, so they stay out of the cache; a page takes 0.4 ms to make.
    make = _page.__wrapped__ if shared else _page
    page = make(
        shared or (own_title, preview_description(bundle), PICTURE.name),
        # Not the request's, whose headers are anyone's text.
        str(settings().url or "").rstrip("/"),
        # A preview's address is what chats open, so a page with parameters names none.
        "" if request.url.query else path,
        next(iter(find_compressed()), None),
        _first_screen(request, bundle) if path == "/" else "",
        is_owner=_is_owner(request),
    )
    etag = f'"{hashlib.sha256(page).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": etag}
    known = request.headers.get("if-none-match", "")
    if etag in {tag.strip().removeprefix("W/") for tag in known.split(",")} or known == "*":
        return Response(status_code=304, headers=headers)
    return HTMLResponse(page, headers=headers)


def _is_owner(request: Request) -> bool:
    """Return whether to show the owner's link to the workshop, whose pages check the sign-in."""
    with suppress(DataError):
        return find_sign_in(request.cookies) is not None
    return False


def _bundle(request: Request) -> Bundle | None:
    """Return the model of the address or of its answer, else the one that opens first."""
    query = request.query_params
    if name := query.get("answer", "").partition("~")[0] or query.get("model", ""):
        with suppress(BundleError):
            return get_bundle(name)
    return default_bundle()


def _first_screen(request: Request, bundle: Bundle | None) -> str:
    query = request.query_params
    if "way" in query:
        return ""
    samples = len(read_samples(bundle)) if bundle else 0
    screen = first_screen(bundle, samples, is_answer=bool(query.get("answer")))
    if bundle is None or OWN_PARAMS & query.keys():
        return screen
    return screen + _data(monotonic() // DATA_SECONDS)


@lru_cache(maxsize=1)
def _data(_: float) -> str:
    """Return a script element with the viewfinder's data; the argument only expires the cache."""
    data = to_script(early_data())
    return f'\n    <script type="application/json" id="page-data">{data}</script>'


@lru_cache(maxsize=32)
def _page(
    preview: tuple[str, str, str],
    url: str,
    path: str,
    compressed: Path | None,
    first: str,
    *,
    is_owner: bool,
) -> bytes:
    """Return the page with its head filled in.

    Args:
        preview: title and description, as plain text, and the picture's address below ``url``.
        url: the app's public address, without a slash at the end; empty leaves out what needs it.
        path: of the page below that address; empty leaves out the page's own address.
        compressed: folder of the compressed files of a first visit, or None.
        first: HTML of the first screen.
        is_owner: whether to link to the workshop.
    """
    title, description, picture = preview
    properties = {
        "og:type": "website",
        "og:title": title,
        "og:description": description,
        "og:url": f"{url}{path}" if url and path else "",
        "og:image": f"{url}/{picture}" if url else "",
        "og:image:alt": title if url else "",
    }
    names = {"description": description, "twitter:card": "summary_large_image" if url else ""}
    tags = [f"<title>{escape(title)}</title>"]
    for kind, values in (("property", properties), ("name", names)):
        tags += [
            f'<meta {kind}="{name}" content="{escape(text)}" />'
            for name, text in values.items()
            if text
        ]
    about = f"<noscript>\n      <h1>{escape(title)}</h1>\n      <p>{escape(description)}</p>"
    visit = first_visit(compressed) if compressed else None
    html = add_first_visit(INDEX.read_text(encoding="utf-8"), visit)
    html = re.sub(r"<title>.*?</title>", lambda _: "\n    ".join(tags), html, count=1)
    html = html.replace("<noscript>", about, 1)
    heading = f'<section aria-label="Page"><h1 id="title">{escape(title)}</h1></section>'
    every = every_page(header_logo()[1], is_owner=is_owner)
    content = f'{heading}<div id="root"></div>{first}{every}'
    return html.replace('<div id="root"></div>', content, 1).encode()
