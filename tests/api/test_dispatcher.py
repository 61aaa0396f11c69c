"""``api.dispatcher``: photos over HTTP on their way through the admission queue."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from api.dispatcher import Dispatcher
from api.problems import Stopping
from model.admission import admission_queue
from model.errors import Busy
from model.settings import settings
from tests.model.slots import held, large_waiting
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture
def narrow(data_folder: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dispatcher]:
    """One slot and three who may wait."""
    monkeypatch.setenv("LOUPE_THREADS", "1")
    monkeypatch.setenv("LOUPE_QUEUE", "3")
    settings.cache_clear()
    admission_queue.cache_clear()
    dispatcher = Dispatcher()
    yield dispatcher
    dispatcher.close()


class Work:
    """Photos whose identification waits for ``go``; ``done`` are those that were identified."""

    def __init__(self) -> None:
        self.go, self.done = threading.Event(), list[object]()

    def __call__(self, photo: object) -> object:
        assert self.go.wait(10)
        self.done.append(photo)
        return photo


@pytest.fixture
def work() -> Work:
    return Work()


async def begin(*runs: Coroutine[Any, Any, object]) -> list[asyncio.Task[object]]:
    """Let photos arrive in this order; return their tasks."""
    tasks = [asyncio.create_task(run) for run in runs]
    await asyncio.sleep(0)
    return tasks


async def test_photos_run_in_order_and_those_beyond_the_queue_are_rejected(
    narrow: Dispatcher, work: Work
) -> None:
    tasks = await begin(*(narrow.run(partial(work, at)) for at in range(6)))
    assert admission_queue().contended
    assert admission_queue().waiting("api") == 3
    work.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert work.done == results[:4] == [0, 1, 2, 3]
    assert all(isinstance(result, Busy) for result in results[4:])
    assert not admission_queue().contended


async def test_photo_that_waits_past_the_deadline_is_not_started(
    narrow: Dispatcher, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission_queue(), "deadline_seconds", 0.05)
    (first,) = await begin(narrow.run(partial(work, 1)))
    with pytest.raises(Busy, match=r"Still busy after 0\.05 s"):
        await narrow.run(partial(work, 2))
    work.go.set()
    assert await first == 1
    assert work.done == [1]


async def test_client_that_disconnects_leaves_the_queue(narrow: Dispatcher, work: Work) -> None:
    hung_up = False

    async def is_disconnected() -> bool:
        return hung_up

    first, *others = await begin(*(narrow.run(partial(work, at), is_disconnected) for at in "abcd"))
    assert admission_queue().waiting("api") == 3
    hung_up = True
    results = await asyncio.gather(*others, return_exceptions=True)
    assert [type(result) for result in results] == [ClientDisconnect] * 3
    # They have left the queue while the first photo is still at work.
    assert admission_queue().waiting("api") == 0
    work.go.set()
    assert await first == "a"
    assert work.done == ["a"]


@pytest.mark.parametrize("fails", [False, True])
def test_photo_leaves_memory_with_its_answer(narrow: Dispatcher, fails: bool) -> None:
    """At once, not with the next garbage collection."""

    class Photo:
        """An object with weak references; bytes have none."""

    def identify(photo: Photo) -> None:
        if fails:
            raise Busy(str(photo))

    async def ask() -> "weakref.ref[Photo]":
        photo = Photo()
        with contextlib.suppress(Busy):
            await narrow.run(partial(identify, photo))
        return weakref.ref(photo)

    gc.disable()
    try:
        is_there = asyncio.run(ask())
        wait_until(lambda: is_there() is None)
    finally:
        gc.enable()


async def test_client_that_disconnects_takes_its_large_photo_along(
    narrow: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = admission_queue()
    monkeypatch.setattr(queue, "slots", 2)

    async def is_disconnected() -> bool:
        return large_waiting(queue) == 1

    def decode() -> None:
        with queue.large_photo():
            pytest.fail("the photo was decoded")

    with held(queue, large=True), pytest.raises(ClientDisconnect):
        await narrow.run(decode, is_disconnected)
    assert (queue.active, large_waiting(queue)) == (0, 0)


async def test_shutdown_finishes_accepted_photos(narrow: Dispatcher, work: Work) -> None:
    (first,) = await begin(narrow.run(partial(work, 1)))
    narrow.stopping = True
    with pytest.raises(Stopping):
        await narrow.run(partial(work, 2))
    with pytest.raises(Stopping):
        async with narrow.batch():
            pass
    work.go.set()
    assert await first == 1
