"""``StreamlitLimitMiddleware``: files count until a page has read them, for a minute at most."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from uvicorn import Config, Server
from websockets.asyncio.client import ClientConnection, connect

from api import body_limits, streamlit_limits, streamlit_sessions
from api.body_limits import MemoryBudget
from api.connections import PageProtocol
from api.streamlit_limits import FILE_BYTES, StreamlitLimitMiddleware, Throttle
from tests.api.test_streamlit_sessions import Runtime
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    manager = MemoryUploadedFileManager("/_stcore/upload_file")
    monkeypatch.setattr(streamlit_limits, "SWEEP_SECONDS", 0.01)
    return manager


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> MemoryBudget:
    budget = MemoryBudget(2**20)
    monkeypatch.setattr(body_limits, "memory_budget", lambda: budget)
    monkeypatch.setattr(streamlit_limits, "memory_budget", lambda: budget)
    return budget


@pytest.fixture
def put(manager: MemoryUploadedFileManager, budget: MemoryBudget) -> Iterator[Callable[..., int]]:
    """Sends a file of a page to a route that stores it; returns the status."""

    async def store(request: Request) -> Response:
        data = await request.body()
        manager.add_file("page", UploadedFileRec(request.path_params["id"], "a.zip", "", data))
        return Response(status_code=204)

    runtime = SimpleNamespace(uploaded_file_mgr=manager)
    limits = Middleware(StreamlitLimitMiddleware, runtime=lambda: runtime, parse=bytes)
    path = "/base/_stcore/upload_file/page"
    routes = [Route(f"{path}/{{id}}", store, methods=["PUT"])]
    with TestClient(Starlette(routes=routes, middleware=[limits])) as client:

        def put(file_id: str, **headers: str) -> int:
            data = bytes(200_000)
            return client.put(f"{path}/{file_id}", content=data, headers=headers).status_code

        yield put


def test_files_count_until_the_page_has_read_them(
    put: Callable[..., int], manager: MemoryUploadedFileManager, budget: MemoryBudget
) -> None:
    assert put("a") == put("b") == put("b") == 204
    assert budget.used == 2 * (200_000 + FILE_BYTES)
    manager.remove_file("page", "a")
    wait_until(lambda: budget.used == 200_000 + FILE_BYTES)
    assert [put(file_id) for file_id in "cdef"] == [204, 204, 204, 503]
    manager.remove_session_files("page")
    wait_until(lambda: not budget.bodies)


def test_unread_files_are_deleted(
    put: Callable[..., int],
    manager: MemoryUploadedFileManager,
    budget: MemoryBudget,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streamlit_limits, "UNREAD_SECONDS", 0.1)
    assert put("a") == 204
    wait_until(lambda: not budget.bodies)
    assert not manager.get_files("page", ["a"])


def test_only_uploads_that_streamlit_kept_are_counted(
    put: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    count_upload = "api.streamlit_sessions.SessionLimits.count_upload"
    monkeypatch.setattr(count_upload, lambda _self, session_id: counted.append(session_id))
    assert put("a", **{"Content-Length": "999999999999"}) == 413
    assert not counted
    assert put("a") == 204
    assert counted == ["page"]


async def test_cancelled_callers_do_not_use_up_the_rate_limit() -> None:
    throttle = Throttle(10, 1)
    assert await throttle.take()
    cancelled = [asyncio.create_task(throttle.take(5)) for _ in range(50)]
    gone = [asyncio.create_task(throttle.take(1, lambda: False)) for _ in range(50)]
    visitor = asyncio.create_task(throttle.take())
    await asyncio.sleep(0.01)
    for task in cancelled:
        task.cancel()
    assert await asyncio.wait_for(visitor, 0.4)
    assert not any(task.result() for task in gone)


class Pages(Runtime):
    """A uvicorn server with the limits, whose app counts messages in place of Streamlit's."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[bytes] = []
        self.url = ""
        self.middleware = StreamlitLimitMiddleware(self.run, lambda: self, bytes)

    async def run(self, _scope: Any, receive: Any, send: Any) -> None:
        """Read messages until the page is gone."""
        await receive()
        await send({"type": "websocket.accept"})
        self.kept.append(f"{len(self.kept)}")
        while (message := await receive())["type"] == "websocket.receive":
            self.read.append(message["bytes"])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        config = Config(self.middleware, ws=PageProtocol, lifespan="off", log_config=None)
        server = Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
            task = asyncio.create_task(server.serve([listener]))
            yield
            server.should_exit = True
            await task

    async def send(self, *messages: bytes, names: str = "streamlit, x") -> ClientConnection:
        """Open a page that sends messages."""
        headers = {"Sec-WebSocket-Protocol": names}
        page = await connect(self.url, close_timeout=0, additional_headers=headers)
        for message in messages:
            await page.send(message)
        return page

    async def wait_for(self, message: bytes, seconds: float) -> None:
        """Wait until a message is read."""
        async with asyncio.timeout(seconds):
            while message not in self.read:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_messages_of_closed_pages_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlit_limits, "ALL_RERUNS_PER_SECOND", 10.0)
    monkeypatch.setattr(streamlit_limits, "BURST", 5)
    pages = Pages()
    async with pages.serving():
        # The server doesn't read the end of a connection behind a message.
        flooders = [await pages.send(*[b"flood"] * 4) for _ in range(40)]
        visitor = await pages.send(b"visit")
        for page in flooders:
            page.transport.close()
        before = pages.read.count(b"flood")
        await pages.wait_for(b"visit", 3)
        assert pages.read.count(b"flood") - before < 20
        await visitor.close()


async def test_first_message_does_not_wait_behind_floods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlit_limits, "ALL_RERUNS_PER_SECOND", 20.0)
    monkeypatch.setattr(streamlit_limits, "BURST", 20)
    pages = Pages()
    async with pages.serving():
        flooders = [await pages.send(*[b"flood"] * 20) for _ in range(20)]
        await asyncio.sleep(1.5)
        visitor = await pages.send(b"visit")
        await pages.wait_for(b"visit", 0.7)
        for page in (*flooders, visitor):
            page.transport.abort()


async def test_messages_wait_on_any_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without uvicorn's own ``receive``, which sessions need."""
    monkeypatch.setattr(streamlit_limits, "BURST", 5)
    pages, sent = Pages(), [b"a"] * 15

    async def receive() -> dict[str, Any]:
        if not pages.kept:
            return {"type": "websocket.connect"}
        if sent:
            return {"type": "websocket.receive", "bytes": sent.pop()}
        return {"type": "websocket.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        pass

    start = time.monotonic()
    await pages.middleware({"type": "websocket", "headers": []}, receive, send)
    assert len(pages.read) == 15
    assert time.monotonic() - start > 0.4


async def test_silent_pages_that_had_a_session_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlit_sessions, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(streamlit_sessions, "SWEEP_SECONDS", 0.05)
    pages = Pages()
    async with pages.serving():
        names = ("streamlit, x, earlier", "streamlit, x,", "streamlit, x")
        opened = [await pages.send(names=name) for name in names]
        async with asyncio.timeout(10):
            await asyncio.gather(*[page.wait_closed() for page in opened[1:]])
        assert [page.close_code for page in opened] == [None, 1013, 1013]
        assert pages.kept == ["0"]
