"""Bounds of Streamlit's sessions, which keep memory and descriptors after their page is gone."""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

from model.corrections.page_sessions import page_sessions
from model.resources import descriptor_limit, trim_memory
from model.settings import settings

from .connections import PageProtocol

SESSION_BYTES = 3 * 2**16
"""Memory of a session, and of messages that are unread or incomplete, in bytes."""

MESSAGE_COPIES, MESSAGE_STEP = 4, 2**13
"""How often a session holds its largest message, and by how many bytes these are told apart."""

DESCRIPTORS = 4
"""Descriptors of a session: its websocket, and the event loop of its script's thread."""

SILENT_SECONDS, KEPT_SECONDS, KEPT_WITH_PHOTO_SECONDS = 10.0, 30.0, 285.0
"""Longest time until a page's first message, and until it connects again, in seconds.

Streamlit itself would keep a session for ``disconnectedSessionTTL``, and then until the next one
comes; after that time it can't be closed from here.
"""

SWEEP_SECONDS = 5.0
"""Time between two sweeps, in seconds."""


class Session:
    """A session of Streamlit's, and its websocket while it has one."""

    def __init__(self, session_id: str) -> None:
        self.id, self.uploads, self.largest = session_id, 0, 0
        """``largest`` is the size of its largest message, in bytes."""
        self.socket: PageProtocol | None = None
        self.seen = time.monotonic()
        """Time when its websocket opened, sent the last message, or closed."""

    @property
    def bytes(self) -> int:
        """Memory that it takes, in bytes."""
        return SESSION_BYTES + MESSAGE_COPIES * (self.largest - self.largest % MESSAGE_STEP)

    @property
    def has_photo(self) -> bool:
        """True if its visitor has given a photo."""
        return self.uploads > 0 or page_sessions.has_photo(self.id)

    @property
    def worth(self) -> tuple[Any, ...]:
        """Order in which sessions are closed for others, the least first."""
        is_silent = not self.largest
        return self.has_photo, self.socket is not None, not is_silent, -self.bytes, self.seen

    @property
    def is_over(self) -> bool:
        """True if its page is gone, or never said anything."""
        kept_seconds = KEPT_WITH_PHOTO_SECONDS if self.has_photo else KEPT_SECONDS
        if not self.largest:
            kept_seconds = SILENT_SECONDS
        elif self.socket:
            return False
        return time.monotonic() - self.seen > kept_seconds


class SessionLimits:
    """All sessions of Streamlit's. They share an eighth of the memory and half the descriptors.

    Where these are full, the visitors who lose least make room for new ones.

    Args:
        runtime: returns Streamlit's runtime.
    """

    def __init__(self, runtime: Callable[[], Any]) -> None:
        self._runtime, self._sessions = runtime, dict[str, Session]()
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def _manager(self) -> Any:
        return self._runtime()._session_mgr  # noqa: SLF001 - the runtime lists no sessions

    def connect(self, socket: PageProtocol) -> Session:
        """Return the session that Streamlit has connected to a websocket just now."""
        session_id = self._manager.list_active_sessions()[-1].session.id
        session = self._sessions.setdefault(session_id, Session(session_id))
        if session.socket:
            # A page that took over the session of another has left this one open.
            session.socket.end()
        session.socket, session.seen = socket, time.monotonic()
        socket.allow_uploads(session.uploads)
        self._make_room(session)
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())
        return session

    def disconnect(self, session: Session, socket: PageProtocol) -> None:
        """Keep a session without its websocket for a while, if it has said anything."""
        if session.socket is socket:
            session.socket, session.seen = None, time.monotonic()
            if not session.largest:
                self._end(session)

    def count_message(self, session: Session, size: int) -> None:
        """Count a message of this size in bytes."""
        session.seen = time.monotonic()
        if size > session.largest:
            session.largest = size
            self._make_room()

    def count_upload(self, session_id: str) -> None:
        """Let a session's messages list one more upload."""
        if session := self._sessions.get(session_id):
            session.uploads += 1
            if session.socket:
                session.socket.allow_uploads(session.uploads)

    def _make_room(self, newest: Session | None = None) -> None:
        """End sessions until all fit; not the newest, which has had no time to say anything."""
        limit = settings().memory_mb * 2**20 // 8
        count = descriptor_limit() // 2 // DESCRIPTORS
        sessions = self._sessions.values()
        while len(sessions) > count or sum(session.bytes for session in sessions) > limit:
            others = (session for session in sessions if session is not newest)
            self._end(min(others, key=lambda session: session.worth))

    def _end(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        if session.socket:
            session.socket.end()
        self._runtime().close_session(session.id)

    async def _sweep(self) -> None:
        """End sessions that are over, and return their memory, until none is left."""
        known = set(self._sessions)
        while known:
            await asyncio.sleep(SWEEP_SECONDS)
            for session in list(self._sessions.values()):
                if session.is_over or self._manager.get_session_info(session.id) is None:
                    self._end(session)
            if known - set(self._sessions):
                # Sessions are in reference cycles.
                gc.collect()
                trim_memory()
            known = set(self._sessions)
