"""The pages, the links to them, and which belong to the owner alone.

Phones have the links in a bar at the bottom, other screens in the header.

To add a page, add a file to ``pages/`` and an entry to ``PAGES``, and to ``LINKS`` or *More*.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from model.errors import DataError, LoupeError
from model.settings import ROOT, WEAK_KEY, settings
from model.sign_ins import SignIn, find_sign_in, sign_ins
from ui.component import has_routes
from ui.phrasing import phrase_failure

ICON = str(ROOT / "ui" / "icon.png")
"""The app's icon, a local file: an emoji or icon name would be fetched from another server."""

PAGES = {
    "identify": "Identify",
    "batch": "Batch",
    "compare": "Compare",
    "teach": "Teach",
    "models": "Models",
    "deploy": "Deploy",
    "about": "About",
    "more": "More",
    "photos": "Photos & training",
    "runs": "Runs",
    "corrections": "Corrections",
    "publish": "Publish",
}
"""Titles by the name of the file in ``pages/``; the first page is the one at the root."""

OWNER_PAGES = ("photos", "runs", "corrections", "publish", "deploy")
"""Pages of the owner's workshop, in the order of their links."""

LINKS = {
    "identify": "M4 10a6 6 0 1 0 12 0a6 6 0 1 0-12 0M14.5 14.5 20 20",
    "teach": "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5M12 8.5v7M8.5 12h7",
    "batch": "",
    "about": "",
    "more": "M5 12h1M11.5 12h1M18 12h1",
}
"""Icons by page, as paths of 24 × 24; on phones, those without one are found under *More*."""

WORKSHOP = {"photos": "M4 8h16v11H4zM9 8V5h6v3M4 13h6m4 0h6M10 12h4v3h-4z"}
"""The first of the owner's pages, with its icon."""

OFFLINE = {"identify": "device/", "teach": "device/teach.html"}
"""Pages to open instead when there is no network, by page."""


def get_page(name: str) -> StreamlitPage:
    """Return a page to link to; a path would depend on where the main script is."""
    path = ROOT / f"pages/{name}.py"
    return st.Page(path, title=PAGES[name], default=name == "identify")


def navigation_html(logo: int, *, is_owner: bool = False) -> str:
    """Return the page links as HTML, for a logo of that width in pixels.

    Their URLs are relative and work on every page. Only owners get a link to the workshop.
    """
    links = ""
    for name, icon in {**LINKS, **(WORKSHOP if is_owner else {})}.items():
        address = "./" if name == "identify" else f"./{name}"
        offline = f' data-offline="./{OFFLINE[name]}"' if name in OFFLINE else ""
        drawing = f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{icon}"/></svg>'
        kind, icon = ("", drawing) if icon else (' class="wide"', "")
        title = PAGES[name]
        if name in WORKSHOP:
            title, kind = "Workshop", f' data-owner="{" ".join(OWNER_PAGES)}"'
        links += f'<a href="{address}"{kind}{offline}>{icon}{title}</a>'
    return f'<nav id="pages" aria-label="Pages" style="--logo: {logo}px">{links}</nav>'


def sign_in() -> SignIn | None:
    """Return the visitor's sign-in if it is valid now, None without one.

    Streamlit keeps the cookies of the websocket's handshake, so the database decides.

    Raises:
        DataError: the database can't be read.
    """
    return find_sign_in(st.context.cookies.to_dict()) if has_routes() else None


def can_train() -> bool:
    """Return whether the visitor is the owner, and this host can train."""
    from model.training.training_job import find_training_obstacle

    try:
        return sign_in() is not None and not find_training_obstacle()
    except DataError:
        return False


def open_workshop() -> SignIn:
    """Show the workshop's links and return the sign-in; show others a notice and stop the script.

    Call it first in each run. Callbacks would run before it.
    """
    owner = sign_in()
    if owner is None:
        st.header("The owner’s workshop", anchor=False)
        st.write(
            "This page belongs to the owner of this app, who opens it with the link that "
            "`python -m model owner` prints."
        )
        if settings().owner_key and has_routes():
            st.write("Without a terminal, [the key](owner/) opens it.")
        st.stop()
    _watch()
    with st.container(horizontal=True, vertical_alignment="center"):
        for name in OWNER_PAGES:
            st.page_link(get_page(name), width="content")
        st.space("stretch")
        if st.button("Sign out", type="tertiary"):
            sign_ins().end(owner.token)
            st.rerun()
    if settings().has_weak_key:
        st.warning(WEAK_KEY)
    return owner


def owner_fragment(run_every: float) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Make a function a fragment of an owner's page, which runs again every ``run_every`` seconds.

    A client can run a fragment without the rest of its page, so each run checks the sign-in.
    """

    def decorate(draw: Callable[[], None]) -> Callable[[], None]:
        @st.fragment(run_every=run_every)
        @wraps(draw)
        def run() -> None:
            if sign_in() is None:
                st.rerun()
            draw()

        return run

    return decorate


@owner_fragment(run_every=5)
def _watch() -> None:
    """Draw nothing; a page without another fragment is drawn again once the sign-in has ended."""


@contextmanager
def show_failure(before: str = "", *, stops: bool = False) -> Iterator[None]:
    """Show an error that ends the block, after the words ``before``; ``stops`` ends the script."""
    try:
        yield
    except (LoupeError, OSError) as error:
        st.error(f"{before}{phrase_failure(error)}")
        if stops:
            st.stop()
