"""``api.dispatcher``: photos over HTTP on their way through the admission queue."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Iterator
from functools import partial

import pytest
from starlette.requests import ClientDisconnect

from api.dispatcher import Dispatcher
from api.problems import Stopping
from model.admission import AdmissionQueue, admission_queue
from model.errors import Busy
from model.settings import settings
from tests.model.slots import held, large_waiting
from tests.waiting import wait_until


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


def test_photos_run_in_order_and_those_beyond_the_queue_are_rejected(narrow: Dispatcher) -> None:
    order, go = [], threading.Event()

    def work(number: int) -> int:
        assert go.wait(10)
        order.append(number)
        return number

    async def ask() -> list[object]:
        runs = [asyncio.ensure_future(narrow.run(partial(work, at))) for at in range(6)]
        await asyncio.sleep(0)
        assert admission_queue().contended
        assert admission_queue().waiting("api") == 3
        go.set()
        return list(await asyncio.gather(*runs, return_exceptions=True))

    results = asyncio.run(ask())
    assert order == results[:4] == [0, 1, 2, 3]
    assert all(isinstance(result, Busy) for result in results[4:])
    assert not admission_queue().contended


def test_page_does_not_wait_for_all_of_the_apis_photos(narrow: Dispatcher) -> None:
    order, go = [], threading.Event()

    def work(name: str) -> None:
        assert go.wait(10)
        order.append(name)

    async def ask() -> None:
        runs = [asyncio.ensure_future(narrow.run(partial(work, "api"))) for _ in range(4)]
        await asyncio.sleep(0)
        # The API's lane is full.
        page = narrow.run(partial(work, "page"), lane="screen")
        runs.append(asyncio.ensure_future(page))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*runs)

    asyncio.run(ask())
    assert order.index("page") <= 2
    assert len(order) == 5


def test_photo_that_waits_past_the_deadline_is_not_started(
    narrow: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = list[int](), threading.Event()
    monkeypatch.setattr(admission_queue(), "deadline_seconds", 0.05)

    async def ask() -> None:
        first = asyncio.ensure_future(narrow.run(lambda: go.wait(10)))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match=r"Still busy after 0\.05 s"):
            await narrow.run(lambda: begun.append(2))
        go.set()
        assert await first is True

    asyncio.run(ask())
    assert begun == []


def test_failure_releases_the_slot(narrow: Dispatcher) -> None:
    def fail() -> None:
        raise RuntimeError("x")

    async def ask() -> None:
        for _ in range(10):
            with pytest.raises(RuntimeError):
                await narrow.run(fail)
        assert await narrow.run(lambda: 5) == 5

    asyncio.run(ask())


def test_client_that_disconnects_leaves_the_queue(narrow: Dispatcher) -> None:
    begun, go, hung_up = list[int](), threading.Event(), False

    async def is_disconnected() -> bool:
        return hung_up

    async def ask() -> list[object]:
        nonlocal hung_up
        first = asyncio.ensure_future(narrow.run(lambda: go.wait(10), is_disconnected))
        others = [
            asyncio.ensure_future(narrow.run(partial(begun.append, at), is_disconnected))
            for at in range(3)
        ]
        await asyncio.sleep(0)
        assert admission_queue().waiting("api") == 3
        hung_up = True
        results = await asyncio.gather(*others, return_exceptions=True)
        # They have left the queue while the first photo is still at work.
        assert admission_queue().waiting("api") == 0
        go.set()
        assert await first is True
        return list(results)

    assert [type(result) for result in asyncio.run(ask())] == [ClientDisconnect] * 3
    assert begun == []


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


def test_client_that_disconnects_takes_its_large_photo_along(
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
        asyncio.run(narrow.run(decode, is_disconnected))
    assert (queue.active, large_waiting(queue)) == (0, 0)


def test_visitors_of_the_screen_and_clients_share_the_slots(narrow: Dispatcher) -> None:
    queue: AdmissionQueue = admission_queue()
    with held(queue):

        async def ask() -> bool:
            run = asyncio.ensure_future(narrow.run(lambda: True))
            await asyncio.sleep(0.05)
            assert not run.done()
            assert queue.waiting("api") == 1
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            return queue.waiting("api") == 0

        assert asyncio.run(ask())


def test_shutdown_finishes_accepted_photos(narrow: Dispatcher) -> None:
    go = threading.Event()

    async def ask() -> object:
        first = asyncio.ensure_future(narrow.run(lambda: go.wait(10)))
        await asyncio.sleep(0)
        narrow.stopping = True
        with pytest.raises(Stopping):
            await narrow.run(lambda: None)
        with pytest.raises(Stopping):
            async with narrow.batch():
                pass
        go.set()
        return await first

    assert asyncio.run(ask()) is True
