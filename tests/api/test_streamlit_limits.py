"""``StreamlitLimitMiddleware``: files count until a page has read them, for a minute at most."""

import asyncio
from collections.abc import MutableMapping
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from api import body_limits, streamlit_limits
from api.body_limits import MemoryBudget
from api.streamlit_limits import FILE_BYTES, StreamlitLimitMiddleware


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


def upload(manager: MemoryUploadedFileManager) -> Any:
    """Return a function that sends a file to a route that stores it."""

    async def store(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        data = (await receive())["body"]
        manager.add_file("page", UploadedFileRec(scope["path"][-1], "a.zip", "", data))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    runtime = SimpleNamespace(uploaded_file_mgr=manager)
    middleware, statuses = StreamlitLimitMiddleware(store, lambda: runtime, bytes), []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(200_000)}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status"))

    async def put(file_id: str) -> int:
        path = f"/base/_stcore/upload_file/page/{file_id}"
        scope = {"type": "http", "method": "PUT", "path": path, "headers": []}
        statuses.clear()
        await middleware(scope, receive, send)
        return statuses[0]

    return put


def test_files_count_until_the_page_has_read_them(
    manager: MemoryUploadedFileManager, budget: MemoryBudget
) -> None:
    async def run() -> None:
        put = upload(manager)
        assert await put("a") == await put("b") == await put("b") == 204
        assert budget.used == 2 * (200_000 + FILE_BYTES)
        manager.remove_file("page", "a")
        await asyncio.sleep(0.1)
        assert budget.used == 200_000 + FILE_BYTES
        assert [await put(file_id) for file_id in "cdef"] == [204, 204, 204, 503]
        manager.remove_session_files("page")
        await asyncio.sleep(0.1)
        assert not budget.bodies

    asyncio.run(run())


def test_unread_files_are_deleted(
    manager: MemoryUploadedFileManager, budget: MemoryBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamlit_limits, "UNREAD_SECONDS", 0.1)

    async def run() -> None:
        put = upload(manager)
        assert await put("a") == 204
        await asyncio.sleep(0.3)
        assert not manager.get_files("page", ["a"])
        assert not budget.bodies

    asyncio.run(run())
