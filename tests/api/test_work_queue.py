"""The API's line: in the order of arrival, so many and no more."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from starlette.requests import ClientDisconnect

from api.problems import Stopping
from api.work_queue import Line, line
from model.errors import Busy
from model.settings import settings


@pytest.fixture
def narrow() -> Iterator[Line]:
    """One place and three who wait."""
    made = Line(places=1, queue=3, deadline=20)
    yield made
    made.close()


def test_who_came_first_is_served_first_and_the_rest_is_refused(narrow: Line) -> None:
    order, go = [], threading.Event()

    def work(number: int) -> int:
        go.wait(10)
        order.append(number)
        return number

    async def ask() -> list[object]:
        asked = [asyncio.ensure_future(narrow.run(lambda at=at: work(at))) for at in range(6)]
        await asyncio.sleep(0)
        assert narrow.crowded
        assert narrow.waiting == 3
        go.set()
        return list(await asyncio.gather(*asked, return_exceptions=True))

    answers = asyncio.run(ask())
    assert order == answers[:4] == [0, 1, 2, 3]
    assert all(isinstance(answer, Busy) for answer in answers[4:])
    assert not narrow.crowded


def test_who_waits_too_long_is_not_begun() -> None:
    slow, begun = Line(places=1, queue=3, deadline=0.05), []

    async def ask() -> list[object]:
        first = asyncio.ensure_future(slow.run(lambda: time.sleep(0.2)))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(slow.run(lambda: begun.append(2)))
        return list(await asyncio.gather(first, second, return_exceptions=True))

    answers = asyncio.run(ask())
    slow.close()
    assert answers[0] is None
    assert isinstance(answers[1], Busy)
    assert begun == []


def test_a_failure_gives_the_place_back(narrow: Line) -> None:
    def fail() -> None:
        raise RuntimeError("x")

    async def ask() -> None:
        for _ in range(10):
            with pytest.raises(RuntimeError):
                await narrow.run(fail)
        assert await narrow.run(lambda: 5) == 5

    asyncio.run(ask())


def test_what_nobody_waits_for_any_more_is_not_begun(narrow: Line) -> None:
    begun, go, hung_up = [], threading.Event(), False

    async def gone() -> bool:
        return hung_up

    async def ask() -> list[object]:
        nonlocal hung_up
        first = asyncio.ensure_future(narrow.run(lambda: go.wait(10), gone))
        asked = [narrow.run(lambda at=at: begun.append(at), gone) for at in range(3)]
        rest = [asyncio.ensure_future(one) for one in asked]
        await asyncio.sleep(0)
        assert narrow.waiting == 3
        hung_up = True
        left = await asyncio.gather(*rest, return_exceptions=True)
        # Their places are free, while the first is still looked at.
        assert narrow.waiting == 0
        go.set()
        assert await first is True
        return list(left)

    assert [type(one) for one in asyncio.run(ask())] == [ClientDisconnect] * 3
    assert begun == []


def test_on_the_way_out_what_was_let_in_is_finished(narrow: Line) -> None:
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


def test_the_line_is_as_set(data_folder: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_THREADS", "3")
    monkeypatch.setenv("LOUPE_QUEUE", "5")
    monkeypatch.setenv("LOUPE_DEADLINE", "1.5")
    settings.cache_clear()
    line.cache_clear()
    assert (line().places, line().queue, line().deadline) == (3, 5, 1.5)
    assert line() is line()
    line().close()
    line.cache_clear()
