"""Requests of the app's own pages, which send the token of their Streamlit session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from starlette.requests import Request

from model.admission import Lane
from model.corrections.page_sessions import page_sessions
from model.errors import Busy

from .dispatcher import dispatcher
from .problems import NoSession

HEADER = "Loupe-Session"
"""The header with the session's token. Other sites' pages can't send it without permission."""

LANE: Lane = "screen"
"""The lane of these photos: a page's visitor doesn't wait for all of the API's photos."""

TURN_SECONDS = 2.0
"""Longest wait for the session's previous photo, in seconds; a page cancels that one first."""

_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""A lock for each session with a photo in flight, by its token."""


def page_token(request: Request) -> str | None:
    """Return the token of the page's session; None for a client that isn't a page of the app.

    Raises:
        NoSession: no session has this token.
        Stopping, Busy: see ``Dispatcher.check``.
    """
    token = request.headers.get(HEADER)
    if token is None:
        return None
    if not page_sessions.is_open(token):
        raise NoSession("This page's session has ended. Reload the page, then try again.")
    dispatcher().check(lane_of(token))
    return token


def lane_of(token: str) -> Lane:
    """Return the lane of a page's photos.

    Anyone may have tokens issued, any number of them, so their photos wait with the API's. Of
    Streamlit's sessions, the app bounds the number.
    """
    return LANE if page_sessions.has_session(token) else "api"


@asynccontextmanager
async def page_turn(token: str) -> AsyncIterator[None]:
    """Hold the only slot of a session; its uploads may arrive meanwhile.

    Raises:
        Busy: the session's previous photo takes too long.
    """
    lock = _turns.setdefault(token, asyncio.Lock())
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await lock.acquire()
    except TimeoutError:
        raise Busy("Your previous photo is still being identified. Try again.") from None
    try:
        yield
        page_sessions.note_photo(token)
    finally:
        lock.release()
