"""Bounds of Streamlit's sessions, which keep memory and descriptors after their page is gone."""

import asyncio
import gc
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from model.corrections.page_sessions import page_sessions
from model.resources import descriptor_limit, trim_memory
from model.settings import settings

from .connections import MESSAGE_BYTES, MESSAGE_BYTES_PER_PHOTO, PageProtocol

SESSION_BYTES = 3 * 2**16
"""Memory of a session, and of messages that are unread or incomplete, in bytes."""

MESSAGE_COPIES, MESSAGE_STEP = 4, 2**13
"""Copies that a session keeps of its largest message, whose size is rounded down to the step."""

SILENT_SECONDS, KEPT_SECONDS = 10.0, 285.0
"""Longest waits for a new page's first message, and for a lost page to reconnect, in seconds.

After ``disconnectedSessionTTL``, Streamlit no longer finds a session, but keeps it until another
one disconnects.
"""

GREETING_SECONDS = 2.0
"""Time in which a new page needn't have sent a message to keep its place, in seconds."""

SWEEP_SECONDS = 5.0
"""Time between two sweeps, in seconds."""


class Session:
    """A Streamlit session, and its websocket while it has one."""

    def __init__(self, session_id: str) -> None:
        self.id, self.uploads, self.largest = session_id, 0, 0
        """``largest`` is the size of its largest message, in bytes."""
        self.has_spoken = self.is_returning = False
        """``is_returning`` is true if its page had another session, which may be gone."""
        self.socket: PageProtocol | None = None
        self.seen = time.monotonic()
        """Time when its websocket opened, sent the last message, or closed."""

    @property
    def bytes(self) -> int:
        """The memory it takes, in bytes."""
        return SESSION_BYTES + MESSAGE_COPIES * (self.largest - self.largest % MESSAGE_STEP)

    @property
    def has_photo(self) -> bool:
        """True if its visitor has given a photo."""
        return self.uploads > 0 or page_sessions.has_photo(self.id)

    @property
    def worth(self) -> tuple[Any, ...]:
        """Order in which sessions are closed for others, the lowest first."""
        # Or the next page would take its place while its first message is on its way.
        is_new = time.monotonic() - self.seen < GREETING_SECONDS
        return self.socket is not None, self.has_spoken or is_new, -self.bytes, self.seen

    @property
    def is_over(self) -> bool:
        """True if its page has been gone or silent for too long."""
        # A returning page sends nothing until its visitor does something.
        if self.socket and (self.has_spoken or self.is_returning):
            return False
        kept_seconds = KEPT_SECONDS if self.has_spoken else SILENT_SECONDS
        return time.monotonic() - self.seen > kept_seconds


class SessionLimits:
    """All Streamlit sessions, which share an eighth of the memory and half of the descriptors.

    Visitors with a photo and those without one each have half of that, so that neither can push out
    the others. When it is full, new visitors take the place of those in the larger group who lose
    least.

    Args:
        runtime: returns Streamlit's runtime.
        parse: returns a page's message as Streamlit's ``BackMsg``.
    """

    def __init__(self, runtime: Callable[[], Any], parse: Callable[[bytes], Any]) -> None:
        self._runtime, self._parse = runtime, parse
        self._sessions: dict[str, Session] = {}
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def _manager(self) -> Any:
        return self._runtime()._session_mgr  # noqa: SLF001 - the runtime lists no sessions

    def connect(self, socket: PageProtocol, *, is_returning: bool = False) -> Session:
        """Return the session that Streamlit has just connected to a websocket."""
        session_id = self._manager.list_active_sessions()[-1].session.id
        session = self._sessions.setdefault(session_id, Session(session_id))
        if session.socket:
            # Streamlit has moved the session to the new websocket, and left the old one open.
            session.socket.end()
        session.socket, session.seen = socket, time.monotonic()
        session.is_returning = is_returning
        self._make_room()
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())
        return session

    def disconnect(self, session: Session, socket: PageProtocol) -> None:
        """Keep a session without its websocket for a while, unless it has another by now.

        One whose page was never drawn has nothing to return to, and ends right away.
        """
        if session.socket is not socket:
            return
        session.socket, session.seen = None, time.monotonic()
        info = self._manager.get_session_info(session.id)
        if info is None or not info.script_run_count:
            self._end(session)

    def count_message(self, session: Session, data: bytes) -> int:
        """Count a page's message; return the number of usual ones that take as much time.

        Returns 0 if that ended the session, as a message that is too large does.
        """
        session.seen, session.has_spoken = time.monotonic(), True
        names, listed, size = 0, 0, len(data)
        # Streamlit closes the websocket after a message that can't be parsed.
        with suppress(Exception):
            # A shorter one can't list many files.
            if size > 1000:
                message = self._parse(data)
                names, listed = len(message.file_urls_request.file_names), _listed_bytes(message)
        if names:
            # Streamlit doesn't keep these names, but answers each with about 300 bytes.
            is_allowed = names <= 4 * max(1000, settings().batch)
        else:
            listed = max(listed, MESSAGE_BYTES_PER_PHOTO * session.uploads)
            is_allowed = size <= MESSAGE_BYTES + listed
        if not is_allowed:
            self._end(session, 1009)
        elif size > session.largest and not names:
            session.largest = size
            self._make_room()
        return 1 + names // 100 if session.id in self._sessions else 0

    def count_upload(self, session_id: str) -> None:
        """Allow a session's messages the room to list one more upload."""
        if session := self._sessions.get(session_id):
            session.uploads += 1

    def _make_room(self) -> None:
        """End sessions until all fit."""
        while _share(self._sessions.values()) > 1:
            groups: tuple[list[Session], list[Session]] = [], []
            for session in self._sessions.values():
                groups[session.has_photo].append(session)
            larger = max(groups, key=_share)
            self._end(min(larger, key=lambda session: session.worth))

    def _end(self, session: Session, code: int = 1013) -> None:
        self._sessions.pop(session.id, None)
        if session.socket:
            session.socket.end(code)
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


def _share(sessions: Collection[Session]) -> float:
    """Return the share of the memory or the descriptors that sessions take, whichever is larger."""
    bytes_share = sum(session.bytes for session in sessions) / (settings().memory_mb * 2**20 // 8)
    # Half of them: each session takes one for its websocket, and three for an event loop.
    return max(bytes_share, len(sessions) / (descriptor_limit() // 8))


def _listed_bytes(message: Any) -> int:
    """Return the bytes of a message that list uploads, which a page repeats in a new session."""
    # A page has few widgets; counting the many that an attacker sends would take too long.
    widgets = message.rerun_script.widget_states.widgets[:100]
    lists = [widget.file_uploader_state_value for widget in widgets]
    files = sum(len(uploads.uploaded_file_info) for uploads in lists)
    if files > max(1000, settings().batch):
        return 0
    size: int = sum(uploads.ByteSize() for uploads in lists)
    return min(size, MESSAGE_BYTES_PER_PHOTO * files)
