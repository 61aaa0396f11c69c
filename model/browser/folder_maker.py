"""Derived folders made in the background: one at a time, shared by all requests for one."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path

from ..errors import LoupeError

RETRY_SECONDS = 60.0
"""Time for which a failure is remembered, in seconds."""

log = logging.getLogger("loupe")


class FolderMaker:
    """A thread at a time that makes derived folders, and the requests that wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = threading.Lock()
        self._requests: dict[str, Future[Path]] = {}
        self._failed_at: dict[str, float] = {}

    def request(self, name: str, make: Callable[[], Path]) -> "Future[Path]":
        """Return the future of a folder, which the first request for it starts to make.

        Args:
            name: the folder's name in the cache.
            make: returns the folder, in a thread. An exception is logged and raised for all
                requests within the next ``RETRY_SECONDS``.
        """
        with self._lock:
            if (future := self._requests.get(name)) and not self._may_retry(name):
                return future
            future = self._requests[name] = Future()
            self._failed_at.pop(name, None)
            # Marked as running, so that no caller can cancel a future that others wait for.
            future.set_running_or_notify_cancel()
        # A daemon thread, so that a slow download doesn't delay shutdown.
        thread = threading.Thread(
            target=self._make, args=(name, make, future), name=f"make {name}", daemon=True
        )
        thread.start()
        return future

    def _may_retry(self, name: str) -> bool:
        failed_at = self._failed_at.get(name)
        return failed_at is not None and time.monotonic() - failed_at > RETRY_SECONDS

    def _make(self, name: str, make: Callable[[], Path], future: "Future[Path]") -> None:
        try:
            with self._busy:
                folder = make()
        except BaseException as error:
            expected = isinstance(error, LoupeError | OSError)
            log.warning("%s", error, exc_info=None if expected else error)
            with self._lock:
                self._failed_at[name] = time.monotonic()
            future.set_exception(error)
        else:
            # Later requests find the folder in the cache, or start again if it was deleted.
            with self._lock:
                del self._requests[name]
            future.set_result(folder)


@lru_cache(maxsize=1)
def folder_maker() -> FolderMaker:
    """Return the maker of this process."""
    return FolderMaker()
