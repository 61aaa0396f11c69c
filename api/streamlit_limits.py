"""Limits of Streamlit's server, which has none of its own: connections, messages, uploads."""

import asyncio
import math
import re
import select
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.errors import LoupeError
from model.settings import settings

from .body_limits import (
    FORM_BYTES,
    GRACE_SECONDS,
    Body,
    check_length,
    limited_receive,
    memory_budget,
)
from .connections import PageProtocol, limit_connections
from .middleware import SlowClientMiddleware
from .problems import NO_ROUTE, error_response, problem
from .streamlit_sessions import Session, SessionLimits

UPLOAD_PATH = re.compile(r"/_stcore/upload_file/([^/]+)/([^/]+)$")

FILE_BYTES = 2**14
"""Bytes added for each file, so that empty ones are limited as well."""

UNREAD_SECONDS = 60.0
"""Time that a page's files are kept after the last of them arrived, in seconds."""

SWEEP_SECONDS = 0.5
"""Longest time until files that the page's script has read no longer count, in seconds."""

RERUNS_PER_SECOND, BURST = 20.0, 50
"""Messages of one page that are read per second, and in one go after a pause."""

ALL_RERUNS_PER_SECOND = 100.0
"""Messages of all pages together that are read per second."""


class Throttle:
    """A token bucket: callers wait for tokens, first come, first served.

    Those who are gone when it is their turn take no tokens, and no time.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval, self._slack = 1 / per_second, burst / per_second
        self._next = 0.0
        """Time of the bucket's next token, in seconds on the monotonic clock."""
        self._turn = asyncio.Lock()

    async def take(self, count: int = 1, is_here: Callable[[], bool] = lambda: True) -> bool:
        """Wait for tokens; return False if the caller is gone by then."""
        async with self._turn:
            if not is_here():
                return False
            now = time.monotonic()
            following = max(self._next, now - self._slack) + count * self._interval
            if following > now:
                await asyncio.sleep(following - now)
                if not is_here():
                    return False
            self._next = following
            return True


def _is_here(socket: Any) -> bool:
    """Return False if a page's connection is closed, even if what it sent before is unread.

    Windows has no ``poll``: a page counts as open there until all is read.
    """
    if not isinstance(socket, PageProtocol):
        return True
    if socket.transport.is_closing():
        return False
    if not hasattr(select, "poll"):
        return True
    # The event loop doesn't notice while it leaves messages unread.
    poll = select.poll()
    poll.register(socket.transport.get_extra_info("socket"), getattr(select, "POLLRDHUP", 0))
    return not poll.poll(0)


def _is_returning(scope: Scope) -> bool:
    """Return whether a page's websocket names an earlier session, as Streamlit reads it."""
    entries = Headers(scope=scope).get("sec-websocket-protocol", "").split(",")
    return len(entries) > 2 and bool(entries[2].strip())


class PageUploads(Body):
    """The files of a page that are arriving, or that its script has not read yet."""

    def __init__(self, session_id: str, manager: Any) -> None:
        super().__init__()
        self.arriving, self._kept_bytes = 0, 0
        self._session_id, self._manager = session_id, manager
        self._last_arrival = time.monotonic()

    @property
    def is_slow(self) -> bool:
        """True if the files arrive slowly, or have arrived and stay unread."""
        unread_seconds = time.monotonic() - self._last_arrival
        return super().is_slow or (not self.arriving and unread_seconds > GRACE_SECONDS)

    def complete(self) -> None:
        """Do nothing: files can be deleted until the page's script has read them."""

    def drop(self) -> None:
        """Delete all files and end those that arrive: a partial batch would be misleading."""
        super().drop()
        self._manager.remove_session_files(self._session_id)

    def end_arrival(self, file_id: str, size: int) -> None:
        """Count a file, once it has arrived, for as long as Streamlit keeps it."""
        self._last_arrival = time.monotonic()
        if self.is_dropped:
            self._manager.remove_file(self._session_id, file_id)
        else:
            self.bytes -= size
            self._count_kept()

    def _count_kept(self) -> None:
        files = list(self._manager.file_storage.get(self._session_id, {}).values())
        kept_bytes = sum(len(file.data) + FILE_BYTES for file in files)
        self.bytes += kept_bytes - self._kept_bytes
        self._kept_bytes = kept_bytes

    async def wait_until_read(self) -> None:
        """Wait until no file is left; delete those that the page's script leaves unread."""
        while not self.is_dropped and (self.arriving or self._kept_bytes):
            await asyncio.sleep(SWEEP_SECONDS)
            if not self.arriving and time.monotonic() - self._last_arrival > UNREAD_SECONDS:
                self.drop()
            elif not self.is_dropped:
                self._count_kept()


class StreamlitLimitMiddleware:
    """Middleware that sets the limits that Streamlit's server lacks.

    Every message on a page's websocket starts a run of its script or interrupts one, which blocks
    all other visitors for milliseconds. Messages beyond the limit stay unread in the client's send
    buffer. At most one message per socket waits for a token, so flooded sockets take turns with
    the others, and the first message of a session waits for none of them. A page sends a few per
    second while a slider is dragged.

    Uploads count against the budget of all bodies, because Streamlit keeps any number of files
    until their session ends. All files of a page count as one body: when others need its memory,
    they are deleted together.

    Args:
        runtime: returns Streamlit's runtime.
        parse: returns a page's message as Streamlit's ``BackMsg``.
    """

    def __init__(
        self, app: ASGIApp, runtime: Callable[[], Any], parse: Callable[[bytes], Any]
    ) -> None:
        self.app, self._limited_upload = app, SlowClientMiddleware(self._receive_upload)
        self._first_messages = Throttle(ALL_RERUNS_PER_SECOND, BURST)
        self._all_messages = Throttle(ALL_RERUNS_PER_SECOND, BURST)
        self._all_lists = Throttle(ALL_RERUNS_PER_SECOND, BURST)
        self._runtime, self._sessions = runtime, SessionLimits(runtime, parse)
        self._pages: dict[str, PageUploads] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        app: ASGIApp = self.app
        if scope["type"] == "lifespan":
            limit_connections(receive)
        elif scope["type"] == "websocket":
            app = self._run_page
        elif scope["method"] == "PUT" and UPLOAD_PATH.search(scope["path"]):
            app = self._limited_upload
        elif scope["path"].rstrip("/").endswith("/_stcore/metrics"):
            # These metrics tell anyone how many visitors there are; the owner has LOUPE_METRICS.
            app = problem("not-found", NO_ROUTE)
        await app(scope, receive, send)

    async def _run_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages = Throttle(RERUNS_PER_SECOND, BURST)
        socket: Any = getattr(receive, "__self__", None)
        session: Session | None = None
        is_open = False

        async def receive_in_turn() -> Message:
            nonlocal session, is_open
            if is_open and session is None and isinstance(socket, PageProtocol):
                # Streamlit has connected the websocket, and asks for its first message.
                session = self._sessions.connect(socket, is_returning=_is_returning(scope))
            while True:
                message = await receive()
                is_open = True
                if message["type"] != "websocket.receive":
                    return message
                if message.get("bytes") is None:
                    # Streamlit's own pages send no text.
                    return {"type": "websocket.disconnect", "code": 1003}
                if await self._take_turn(message["bytes"], session, socket, messages):
                    return message

        try:
            await self.app(scope, receive_in_turn, send)
        finally:
            if session:
                self._sessions.disconnect(session, socket)

    async def _take_turn(
        self, data: bytes, session: Session | None, socket: Any, messages: Throttle
    ) -> bool:
        """Wait for a message's turn; return False if it is refused or its page is gone by then."""
        is_here, count, shared = partial(_is_here, socket), 1, self._all_messages
        if session:
            shared = self._all_messages if session.has_spoken else self._first_messages
            count = self._sessions.count_message(session, data)
        if count > 1:
            # Lists of files take longer, so other messages don't wait behind them.
            shared = self._all_lists
        is_due = count > 0 and await messages.take(count, is_here)
        return is_due and await shared.take(count, is_here)

    async def _receive_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        session_id, file_id = UPLOAD_PATH.findall(scope["path"])[0]
        page, limit = self._page(session_id), settings().upload_mb * 2**20 + FORM_BYTES
        receive_limited = limited_receive(receive, page, limit, math.inf)
        size = 0

        async def receive_counted() -> Message:
            nonlocal size
            message = await receive_limited()
            size += len(message.get("body", b""))
            return message

        async def send_counted(message: Message) -> None:
            if message.get("status") == HTTPStatus.NO_CONTENT:
                self._sessions.count_upload(session_id)
            await send(message)

        page.arriving += 1
        try:
            check_length(Headers(scope=scope), limit)
            memory_budget().acquire(page, FILE_BYTES)
            size = FILE_BYTES
            await self.app(scope, receive_counted, send_counted)
        except LoupeError as error:
            await error_response(error)(scope, receive, send)
        finally:
            page.arriving -= 1
            page.end_arrival(file_id, size)

    def _page(self, session_id: str) -> PageUploads:
        page = self._pages.get(session_id)
        if page is None or page.is_dropped:
            page = self._pages[session_id] = PageUploads(
                session_id, self._runtime().uploaded_file_mgr
            )
            memory_budget().bodies.add(page)
            task = asyncio.create_task(self._wait_until_read(session_id, page))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return page

    async def _wait_until_read(self, session_id: str, page: PageUploads) -> None:
        await page.wait_until_read()
        memory_budget().bodies.remove(page)
        if self._pages.get(session_id) is page:
            del self._pages[session_id]
