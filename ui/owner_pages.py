"""Pages for the owner alone, and what they say to others."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from model.errors import LoupeError
from model.settings import settings
from model.sign_ins import SignIn, find_sign_in, sign_ins
from ui.component import has_routes
from ui.navigation import OWNER_PAGES, get_page
from ui.phrasing import phrase_failure

WATCH_SECONDS = 5
"""Time between two checks of an open page's sign-in, in seconds."""

NOT_OWNER = (
    "This page belongs to the owner of this app, who opens it with the link that "
    "`python -m model owner` prints."
)


def sign_in() -> SignIn | None:
    """Return the visitor's sign-in if it is valid now, None without one.

    Streamlit keeps the cookies of the websocket's handshake, so the database decides.

    Raises:
        DataError: the database can't be read.
    """
    return find_sign_in(st.context.cookies.to_dict()) if has_routes() else None


def open_workshop() -> SignIn:
    """Show the workshop's links and return the sign-in; show others a notice and stop the script.

    Called before anything is done, in each run. Callbacks would run before it.
    """
    owner = sign_in()
    if owner is None:
        st.header("The owner’s workshop", anchor=False)
        st.write(NOT_OWNER)
        if settings().owner_key and has_routes():
            st.write("Without a terminal, [the key](owner/) opens it.")
        st.stop()
    _watch(owner.token)
    with st.container(horizontal=True, vertical_alignment="center"):
        for name in OWNER_PAGES:
            st.page_link(get_page(name), width="content")
        st.space("stretch")
        if st.button("Sign out", type="tertiary"):
            sign_ins().end(owner.token)
            st.rerun()
    return owner


@st.fragment(run_every=WATCH_SECONDS)
def _watch(token: str) -> None:
    """Draw the page again once the sign-in has ended."""
    if not sign_ins().has(token):
        st.rerun()


@contextmanager
def show_failure(before: str = "", *, stops: bool = False) -> Iterator[None]:
    """Show an error that ends the block, after the words ``before``; ``stops`` ends the script."""
    try:
        yield
    except (LoupeError, OSError) as error:
        st.error(f"{before}{phrase_failure(error)}")
        if stops:
            st.stop()
