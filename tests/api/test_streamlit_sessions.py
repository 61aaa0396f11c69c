"""``SessionLimits``: which sessions make room for others, and when those of closed pages end."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import connect

from api import streamlit_sessions
from api.connections import MESSAGE_BYTES, MESSAGE_BYTES_PER_PHOTO
from api.streamlit_sessions import SESSION_BYTES, Session, SessionLimits
from model.corrections.page_sessions import page_sessions
from tests.browser.server import serving
from tests.operating.attacks.clients import page_session, rerun
from tests.waiting import wait_until

LARGE = 2**16

pytestmark = pytest.mark.anyio


class Page:
    """The websocket of a page, in place of uvicorn's."""

    has_ended = False

    def end(self, code: int = 0) -> None:
        self.has_ended = True


class Runtime:
    """What limits see of Streamlit's runtime: the sessions that it keeps."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.undrawn: set[str] = set()
        self.ended: list[str] = []
        self._session_mgr = self

    def list_active_sessions(self) -> list[Any]:
        return [SimpleNamespace(session=SimpleNamespace(id=name)) for name in self.kept]

    def get_session_info(self, name: str) -> Any:
        runs = SimpleNamespace(script_run_count=0 if name in self.undrawn else 1)
        return runs if name in self.kept else None

    def close_session(self, name: str) -> None:
        self.ended.append(name)
        if name in self.kept:
            self.kept.remove(name)


class Server(Runtime):
    """Limits of sessions."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = SessionLimits(lambda: self, BackMsg.FromString)

    async def wait_for(self, *kept: str) -> None:
        """Wait until only these sessions remain."""
        await asyncio.to_thread(wait_until, lambda: self.kept == [*kept], 10)

    def open(self, name: str, *sizes: int, is_returning: bool = False) -> tuple[Session, Any]:
        """Open a page that sends messages of these sizes in bytes."""
        self.kept = [*(kept for kept in self.kept if kept != name), name]
        page: Any = Page()
        session = self.limits.connect(page, is_returning=is_returning)
        for size in sizes:
            self.limits.count_message(session, bytes(size))
        return session, page


@pytest.fixture
def server(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Memory for 85 sessions or 37 large messages, descriptors for five."""
    monkeypatch.setenv("LOUPE_MEMORY_MB", "128")
    monkeypatch.setattr(streamlit_sessions, "descriptor_limit", lambda: 40)
    return Server()


async def test_sessions_with_least_to_lose_end_first(server: Server, token: str) -> None:
    photo = page_sessions.open_session("photo")
    page_sessions.note_photo(photo)
    server.open("photo", LARGE)
    server.open("old", 500)
    server.open("large", 9000)
    server.open("silent")[0].seen -= streamlit_sessions.GREETING_SECONDS
    gone, page = server.open("gone", 1)
    server.limits.disconnect(gone, page)
    for number in range(5):
        # A large message doesn't displace others, but a new page has time to say something.
        server.open(f"new {number}", 501)
    page_sessions.close_session(photo)
    assert server.ended == ["gone", "silent", "large", "old", "new 0"]
    assert not page_sessions.has_photo("photo")


async def test_new_pages_do_not_take_each_others_place(server: Server) -> None:
    for number in range(5):
        server.open(f"attacker {number}", 1)
    server.open("first visitor")
    server.open("second visitor")
    assert server.ended == ["attacker 0", "attacker 1"]


async def test_visitors_with_and_without_photo_do_not_push_out_the_others(server: Server) -> None:
    for number in range(5):
        server.open(f"attacker {number}", 1)
        server.limits.count_upload(f"attacker {number}")
    server.open("first visitor", 2)
    server.open("second visitor", 2)
    assert server.ended == ["attacker 0", "attacker 1"]
    # From here on those without a photo are the larger group.
    server.open("third visitor", 2)
    server.open("fourth visitor", 2)
    assert server.ended[2:] == ["first visitor", "second visitor"]


async def test_largest_messages_count_until_their_session_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamlit_sessions, "descriptor_limit", lambda: 10_000)
    _, visitor = server.open("visitor", 2000)
    pages = [server.open(f"{number}", 50_000, LARGE, 100)[1] for number in range(36)]
    assert not server.ended
    server.open("last", LARGE)
    assert server.ended == ["0"]
    assert [page.has_ended for page in pages] == [True] + 35 * [False]
    assert not visitor.has_ended


async def test_uploads_allow_longer_messages_on_the_next_websocket_as_well(server: Server) -> None:
    _, first = server.open("a", LARGE)
    server.limits.count_upload("a")
    server.limits.count_upload("nobody")
    _, second = server.open("a", LARGE + 1024)
    # Streamlit takes the session from the first websocket, and leaves it open.
    assert (first.has_ended, second.has_ended, server.ended) == (True, False, [])
    server.open("a", LARGE + 1025)
    server.open("b", LARGE + 1)
    assert server.ended == ["a", "b"]


async def test_names_of_files_are_limited_by_number(server: Server) -> None:
    session, _ = server.open("a")
    request = BackMsg()
    request.file_urls_request.file_names.extend(["x" * 100] * 1000)
    assert server.limits.count_message(session, request.SerializeToString()) == 11
    assert session.bytes == SESSION_BYTES
    request.file_urls_request.file_names.extend([""] * 3001)
    assert server.limits.count_message(session, request.SerializeToString()) == 0
    assert server.ended == ["a"]


def repeated_list(files: int, name: str = "") -> bytes:
    """Return a page's message that lists files, as Streamlit's widget does."""
    request, path = BackMsg(), f"/_stcore/upload_file/{'x' * 36}/{'x' * 36}"
    widget = request.rerun_script.widget_states.widgets.add(id="photos")
    for _ in range(files):
        info = widget.file_uploader_state_value.uploaded_file_info.add(name=name)
        if name:
            info.size, info.file_id = 3_000_000, "x" * 36
            info.file_urls.upload_url = info.file_urls.delete_url = path
    return request.SerializeToString()


async def test_a_new_session_allows_the_list_of_an_earlier_one(server: Server) -> None:
    session, _ = server.open("batch")
    message = repeated_list(1000, "IMG_20260101_120000.jpg")
    assert len(message) > 3 * MESSAGE_BYTES
    assert server.limits.count_message(session, message) == 1
    assert session.bytes > SESSION_BYTES + 3.9 * len(message)
    # Each listed file is allowed what it takes, not more, and not for many empty ones.
    refused = [
        BackMsg.FromString(repeated_list(1000)),
        BackMsg.FromString(repeated_list(1, "x" * (MESSAGE_BYTES + MESSAGE_BYTES_PER_PHOTO))),
        BackMsg.FromString(repeated_list(MESSAGE_BYTES)),
    ]
    refused[0].rerun_script.query_string = "x" * (MESSAGE_BYTES + MESSAGE_BYTES_PER_PHOTO)
    for number, request in enumerate(refused):
        session, _ = server.open(f"{number}")
        assert server.limits.count_message(session, request.SerializeToString()) == 0


async def test_sessions_of_closed_and_silent_pages_end(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamlit_sessions, "descriptor_limit", lambda: 10_000)
    monkeypatch.setattr(streamlit_sessions, "SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(streamlit_sessions, "SILENT_SECONDS", 0.1)
    server.open("open", 100)
    server.open("silent")
    server.open("returned", is_returning=True)
    names = ("closed", "with photo", "evicted by Streamlit")
    pages = [server.open(name, 100) for name in names]
    server.limits.count_upload("with photo")
    for page in (*pages, server.open("left again", is_returning=True)):
        server.limits.disconnect(*page)
    server.kept.remove("evicted by Streamlit")
    await server.wait_for("open", "returned", "closed", "with photo")
    # Streamlit itself no longer finds a session after five minutes.
    for seconds, kept in ((280, ("closed", "with photo")), (10, ())):
        for session, _ in pages:
            session.seen -= seconds
        await asyncio.sleep(0.1)
        await server.wait_for("open", "returned", *kept)


async def test_session_ends_with_its_page_if_that_was_never_drawn(server: Server) -> None:
    server.undrawn = {"never drawn"}
    for name in ("never drawn", "drawn"):
        server.limits.disconnect(*server.open(name, 100))
    assert server.ended == ["never drawn"]


@pytest.mark.slow
def test_new_pages_take_the_place_of_silent_ones(tmp_path: Path) -> None:
    """With the real Streamlit: 85 pages fit."""
    with serving(tmp_path, LOUPE_MEMORY_MB="128") as server, ExitStack() as stack:
        process = psutil.Process(server.process.pid)
        with page_session(server.url):
            before = process.num_fds()
        address = f"{server.url.replace('http', 'ws', 1)}/_stcore/stream"
        pages = [stack.enter_context(connect(address, close_timeout=0)) for _ in range(90)]
        with page_session(server.url):
            wait_until(lambda: [page.close_code for page in pages] == 6 * [1013] + 84 * [None])
            wait_until(lambda: process.num_fds() < before + 4 * 85, 10)


@pytest.mark.slow
def test_pages_that_are_closed_before_they_are_drawn_leave_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        process = psutil.Process(server.process.pid)
        with page_session(server.url):
            before = process.num_fds()
        address = f"{server.url.replace('http', 'ws', 1)}/_stcore/stream"
        for _ in range(60):
            with connect(address, close_timeout=0) as stream:
                stream.send(rerun())
        # Well before Streamlit forgets them, and without another visitor.
        wait_until(lambda: process.num_fds() < before + 20, 20)
