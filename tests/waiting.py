"""Waiting in tests for what another thread or process does."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

POLL_SECONDS = 0.01
"""How often ``serve_forever`` looks whether it shall end; by itself every half second."""


def wait_until(
    condition: Callable[[], object], seconds: float = 5.0, describe: Callable[[], str] = str
) -> None:
    """Wait until a condition holds; fail after ``seconds``.

    Args:
        condition: an ``OSError`` in it counts as false, since a server may not listen yet.
        seconds: longest wait.
        describe: returns what the failure shows, such as a server's log.
    """
    deadline, pause = time.monotonic() + seconds, 0.002
    while not _holds(condition):
        if time.monotonic() > deadline:
            raise AssertionError(f"The condition did not hold within {seconds:g} s. {describe()}")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


@contextmanager
def in_threads(ended: threading.Event, *actions: Callable[[], object]) -> Iterator[None]:
    """Run each action in a thread; at the end of the block, set ``ended`` and wait for them."""
    with ThreadPoolExecutor(len(actions)) as pool:
        running = [pool.submit(action) for action in actions]
        try:
            yield
        finally:
            ended.set()
    for action in running:
        action.result()


@contextmanager
def repeatedly(action: Callable[[], object], pause_seconds: float) -> Iterator[None]:
    """Run an action again and again, in a thread, until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(pause_seconds):
            action()

    with in_threads(stop, run):
        yield


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except OSError:
        return False
