"""``api.body_limits``: bodies that are too large, slow, malformed or never complete."""

import asyncio
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request

from api import body_limits
from api.body_limits import (
    PHOTO_BYTES,
    Body,
    MemoryBudget,
    limited_body,
    read_body,
    trim_after_uploads,
)
from api.problems import BodyTooSlow, Malformed
from model.errors import Busy, PhotoTooLarge
from model.resources import LARGE_BLOCK_BYTES
from model.samples import samples
from tests.api.raw import Wire, exchange
from tests.browser.server import Server
from tests.waiting import wait_until

PHOTO = samples()[0].read()
HEAD = b"POST /api/v1/identify HTTP/1.1\r\nHost: here\r\n"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(app_server: Server) -> Iterator[Server]:
    app_server.tracebacks()
    yield app_server
    assert not app_server.tracebacks()


def still_answers(server: Server) -> None:
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO
    assert exchange(server.url, request).status == 200


def test_announced_length_over_the_limit_is_rejected_immediately(server: Server) -> None:
    reply = exchange(server.url, HEAD + b"Content-Length: 99999999999\r\n\r\n")
    assert (reply.status, reply.json["code"]) == (413, "too-large")
    assert reply.header("connection") == "close"
    still_answers(server)


def test_malformed_length_is_rejected(server: Server) -> None:
    for header in (
        *(b"Content-Length: " + length for length in (b"-1", b"ten", b"0x10", b"1e3")),
        b"Content-Length: 5\r\nContent-Length: 7",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, gzip",
        b"Transfer-Encoding: \x0bchunked",
        b"Content-Length : 5",
        b"Content-Length: 5\r\n continued",
    ):
        reply = exchange(server.url, HEAD + header + b"\r\n\r\nhello\r\n")
        assert reply.status == 400, header
    still_answers(server)


def test_bytes_after_a_body_are_not_another_request(server: Server) -> None:
    """With a length that is too small, the excess is not taken for another request."""
    inner = b"GET /api/live HTTP/1.1\r\nHost: here\r\n\r\n"
    with Wire(server.url) as wire:
        wire.send(HEAD + b"Content-Length: %d\r\n\r\n" % (len(PHOTO) // 2) + PHOTO)
        reply = wire.reply()
        # Half a photo is damaged; or the server looks ahead and rejects the whole request.
        assert reply.status in (400, 422)
        # The second half is not HTTP, so the connection ends and the inner request is not run.
        wire.send(inner)
        assert b"200 OK" not in wire.remainder()
    still_answers(server)


def request(*chunks: bytes | float, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Request:
    """Return a request whose body arrives in these pieces; a number is a pause in seconds."""
    waiting = list(chunks)

    async def receive() -> dict[str, Any]:
        if not waiting:
            return {"type": "http.request", "body": b"", "more_body": False}
        piece = waiting.pop(0)
        if isinstance(piece, float):
            await asyncio.sleep(piece)
            return await receive()
        return {"type": "http.request", "body": piece, "more_body": True}

    return Request({"type": "http", "method": "POST", "headers": list(headers)}, receive)


async def read(original: Request, limit: int = 100) -> bytes:
    async with limited_body(original, limit) as body:
        return await body.body()


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> MemoryBudget:
    """A budget of 250 bytes."""
    budget = MemoryBudget(250)
    monkeypatch.setattr(body_limits, "memory_budget", lambda: budget)
    return budget


def test_photo_in_chunks_is_read_up_to_the_limit(server: Server) -> None:
    head, piece = HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"\0" * 2**20
    with Wire(server.url) as wire:
        for part in (PHOTO[:99], PHOTO[99:], b""):
            head += b"%x\r\n%b\r\n" % (len(part), part)
        wire.send(head)
        assert wire.reply().status == 200
    with Wire(server.url) as wire:
        wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(PHOTO_BYTES // len(piece) + 1):
            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        reply = wire.reply()
        assert (reply.status, reply.json["code"]) == (413, "too-large")


async def test_limit_is_exact_to_the_byte(budget: MemoryBudget) -> None:
    assert await read(request(b"x" * 60, b"x" * 40)) == b"x" * 100
    with pytest.raises(PhotoTooLarge):
        await read(request(b"x" * 60, b"x" * 41))
    with pytest.raises(PhotoTooLarge):
        await read(request(headers=((b"content-length", b"101"),)))
    for length in (b"-1", b"", b"1_0", b"\xb2"):
        with pytest.raises(Malformed):
            await read(request(headers=((b"content-length", length),)))
    assert budget.used == 0


async def test_idle_or_slow_upload_raises_body_too_slow(
    budget: MemoryBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limits, "IDLE_TIMEOUT_SECONDS", 0.05)
    with pytest.raises(BodyTooSlow):
        await read(request(b"x", 5.0, b"y"))
    monkeypatch.setattr(body_limits, "IDLE_TIMEOUT_SECONDS", 5.0)
    monkeypatch.setattr(body_limits, "BODY_TIMEOUT_SECONDS", 0.1)
    started = time.monotonic()
    with pytest.raises(BodyTooSlow):
        await read(request(*(b"x", 0.03) * 50))
    assert time.monotonic() - started < 2
    assert budget.used == 0


async def test_bodies_share_a_budget_and_give_it_back(budget: MemoryBudget) -> None:
    async with limited_body(request(b"x" * 100), 100) as first:
        await first.body()
        async with limited_body(request(b"x" * 100), 100) as second:
            await second.body()
            assert budget.used == 200
            # A failed upload returns its bytes to the budget.
            with pytest.raises(Busy):
                await read(request(b"x" * 51))
            assert await read(request(b"x" * 50)) == b"x" * 50
        assert budget.used == 100
        assert await read(request(b"x" * 100)) == b"x" * 100
    assert budget.used == 0


async def test_body_is_in_memory_only_once() -> None:
    part = bytes(2**16)
    tracemalloc.start()
    try:
        size = len(await read_body(request(*[part] * 100)))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 100 * len(part)
    assert peak_bytes < 1.3 * size


async def test_memory_of_ended_uploads_returns_to_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budget, body, trims = MemoryBudget(2**30), Body(), list[bool]()
    monkeypatch.setattr(body_limits, "memory_budget", lambda: budget)
    monkeypatch.setattr(body_limits, "trim_memory", lambda: trims.append(True))
    monkeypatch.setattr(body_limits, "TRIM_SECONDS", 0.01)
    trimming = asyncio.create_task(trim_after_uploads())
    budget.bodies.add(body)
    budget.acquire(body, LARGE_BLOCK_BYTES + 1)
    await asyncio.sleep(0.05)
    assert not trims
    budget.bodies.remove(body)
    await asyncio.to_thread(wait_until, lambda: trims)
    # Once is enough.
    await asyncio.sleep(0.05)
    trimming.cancel()
    assert trims == [True]


def test_full_budget_takes_the_memory_of_the_oldest_body() -> None:
    """A photo takes the memory of any incomplete body, a batch only that of a slow one."""
    budget, old, batch, photo = MemoryBudget(8 * PHOTO_BYTES), Body(), Body(), Body()
    budget.bodies |= {old, batch, photo}
    budget.acquire(old, 4 * PHOTO_BYTES)
    budget.acquire(batch, 2 * PHOTO_BYTES)
    with pytest.raises(Busy):
        budget.acquire(batch, 1)
    budget.acquire(photo, PHOTO_BYTES)
    assert not old.is_dropped
    old.started -= 600
    budget.acquire(batch, 1)
    assert old.is_dropped
    with pytest.raises(Busy):
        budget.acquire(old, 1)
    late = Body()
    budget.bodies.add(late)
    batch.bytes, photo.is_complete = 7 * PHOTO_BYTES, True
    budget.acquire(late, 1)
    assert batch.is_dropped
    assert not photo.is_dropped


async def test_dropped_body_ends_immediately(budget: MemoryBudget) -> None:
    slow = asyncio.create_task(read(request(b"x" * 100, 60.0), limit=200))
    await asyncio.sleep(0)
    assert await read(request(b"x" * 200), limit=200) == b"x" * 200
    with pytest.raises(Busy):
        await asyncio.wait_for(slow, 0.2)
    assert budget.used == 0
