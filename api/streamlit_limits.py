"""ASGI middleware before Streamlit's own routes, which have no limits of their own."""

import asyncio
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

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
from .middleware import SlowClientMiddleware
from .problems import error_response

__all__ = ["StreamLimitMiddleware", "UploadLimitMiddleware"]

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
    """A token bucket that delays, first come, first served."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval, self._slack = 1 / per_second, burst / per_second
        self._next = 0.0
        """Time of the bucket's next token, in seconds on the monotonic clock."""

    async def take(self) -> None:
        """Wait for a token."""
        now = time.monotonic()
        self._next = max(self._next, now - self._slack) + self._interval
        if self._next > now:
            await asyncio.sleep(self._next - now)


class StreamLimitMiddleware:
    """Middleware that limits how often pages make Streamlit run their script.

    Every message on a page's websocket starts a run or interrupts one, which blocks all other
    visitors for milliseconds. Messages beyond the limit stay unread in the client's send buffer.
    Each socket waits with one message at a time, so a flood on some takes turns with the others.
    A page sends a few per second while a slider is dragged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self._all = app, Throttle(ALL_RERUNS_PER_SECOND, BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        own = Throttle(RERUNS_PER_SECOND, BURST)

        async def receive_in_turn() -> Message:
            message = await receive()
            if message["type"] != "websocket.disconnect":
                await own.take()
                await self._all.take()
            return message

        await self.app(scope, receive_in_turn, send)


class FileManager(Protocol):
    """The methods of Streamlit's ``MemoryUploadedFileManager`` that are used here."""

    def get_files(self, session_id: str, file_ids: Sequence[str]) -> Sequence[Any]:
        """Return the files that are kept."""

    def remove_file(self, session_id: str, file_id: str) -> None:
        """Delete a file, if it is kept."""


class PageUploads(Body):
    """The files of a page that are arriving, or that its script has not read yet."""

    def __init__(self, session_id: str, manager: FileManager) -> None:
        super().__init__()
        self.arriving = 0
        self._session_id, self._manager = session_id, manager
        self._sizes: dict[str, int] = {}
        self._last_arrival = time.monotonic()

    @property
    def is_slow(self) -> bool:
        """True if it arrives slowly, or has arrived without being read."""
        unread_seconds = time.monotonic() - self._last_arrival
        return super().is_slow or (not self.arriving and unread_seconds > GRACE_SECONDS)

    def complete(self) -> None:
        """Stay incomplete: files can be deleted until the page's script has read them."""

    def drop(self) -> None:
        """Delete all files and end those that arrive: a partial batch would be misleading."""
        super().drop()
        for file_id in self._sizes:
            self._manager.remove_file(self._session_id, file_id)
        self._sizes.clear()

    def end_arrival(self, file_id: str, size: int, *, is_kept: bool) -> None:
        """Count a file that has arrived for as long as Streamlit keeps it."""
        self._last_arrival = time.monotonic()
        if self.is_dropped:
            self._manager.remove_file(self._session_id, file_id)
        elif is_kept:
            self.bytes -= self._sizes.get(file_id, 0)
            self._sizes[file_id] = size
        else:
            self.bytes -= size

    async def wait_until_read(self) -> None:
        """Wait until no file is left; delete those that the page's script leaves unread."""
        while self.arriving or self._sizes:
            await asyncio.sleep(SWEEP_SECONDS)
            if not self.arriving and time.monotonic() - self._last_arrival > UNREAD_SECONDS:
                self.drop()
            kept = self._manager.get_files(self._session_id, list(self._sizes))
            for file_id in self._sizes.keys() - {file.file_id for file in kept}:
                self.bytes -= self._sizes.pop(file_id)


class UploadLimitMiddleware:
    """Middleware that counts what Streamlit's widgets upload against the budget of all bodies.

    Streamlit keeps any number of files until their session ends. All files of a page count as one
    body: when others need its memory, they are deleted together.

    Args:
        app: see ASGI.
        manager: returns Streamlit's manager of uploads.
    """

    def __init__(self, app: ASGIApp, manager: Callable[[], Any]) -> None:
        self.app, self._limited = app, SlowClientMiddleware(self._limit)
        self._manager = manager
        self._pages: dict[str, PageUploads] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        is_put = scope["type"] == "http" and scope["method"] == "PUT"
        app = self._limited if is_put and UPLOAD_PATH.search(scope["path"]) else self.app
        await app(scope, receive, send)

    async def _limit(self, scope: Scope, receive: Receive, send: Send) -> None:
        session_id, file_id = UPLOAD_PATH.findall(scope["path"])[0]
        page, limit = self._page(session_id), settings().upload_mb * 2**20 + FORM_BYTES
        counted = limited_receive(receive, page, limit, math.inf)
        size, is_kept = 0, False

        async def receive_noted() -> Message:
            nonlocal size
            message = await counted()
            size += len(message.get("body", b""))
            return message

        async def send_noted(message: Message) -> None:
            nonlocal is_kept
            is_kept = is_kept or message.get("status") == 204
            await send(message)

        page.arriving += 1
        try:
            check_length(Headers(scope=scope), limit)
            memory_budget().acquire(page, FILE_BYTES)
            size = FILE_BYTES
            await self.app(scope, receive_noted, send_noted)
        except LoupeError as error:
            await error_response(error)(scope, receive, send)
        finally:
            page.arriving -= 1
            page.end_arrival(file_id, size, is_kept=is_kept)

    def _page(self, session_id: str) -> PageUploads:
        page = self._pages.get(session_id)
        if page is None or page.is_dropped:
            page = self._pages[session_id] = PageUploads(session_id, self._manager())
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
