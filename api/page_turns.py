"""Requests from the app's own pages, which send a session token; ``/api/session/`` issues one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import JSONResponse

from model.admission import Lane
from model.corrections.page_sessions import page_sessions
from model.errors import Busy

from .problems import NoSession

HEADER = "Loupe-Session"
"""Request header with the session token. Other sites' pages can send it only if CORS allows."""

LANE: Lane = "screen"
"""Admission lane of these photos, so that visitors don't wait behind API clients."""

TURN_SECONDS = 2.0
"""Longest wait for the session's previous photo, in seconds; pages cancel that photo first."""

_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""Locks of the sessions that have a photo in flight, by session token."""


async def issue_token(_: Request) -> JSONResponse:
    """Issue a token to a page whose Streamlit session has not started yet or has ended."""
    return JSONResponse({"token": page_sessions.issue_token()}, 201, {"Cache-Control": "no-store"})


def page_token(request: Request) -> str | None:
    """Return the token of the page's session; None for a client that isn't a page of the app.

    Raises:
        NoSession: the token is unknown or has expired.
    """
    token = request.headers.get(HEADER)
    if token is not None and not page_sessions.is_open(token):
        raise NoSession("This page's session has ended. Reload the page, then try again.")
    return token


def lane_of(token: str | None) -> Lane:
    """Return the lane of the photos of a page, or of a client that has no token.

    Anyone can request any number of issued tokens, so their photos wait in the API's lane. The
    app limits the number of Streamlit sessions, so theirs get the lane for pages.
    """
    return LANE if token and page_sessions.has_session(token) else "api"


@asynccontextmanager
async def page_turn(token: str) -> AsyncIterator[None]:
    """Hold the session's only slot for identifying; its next upload may already arrive.

    Raises:
        Busy: the session's previous photo is still being identified after ``TURN_SECONDS``.
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
