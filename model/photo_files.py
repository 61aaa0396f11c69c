"""Photos in folders, and answers to many of them at once."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from .errors import Busy
from .settings import settings

__all__ = ["SUFFIXES", "list_photos", "map_ordered", "printable", "retry_while_busy"]

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".mpo", ".png", ".apng", ".webp", ".heic", ".heif", ".avif"}
)

T = TypeVar("T")
R = TypeVar("R")


def list_photos(folder: Path) -> list[Path]:
    """The photos in a folder and its subfolders, by name; hidden files are left out."""
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(where) / name
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return found


def printable(path: Path) -> str:
    """A path with forward slashes that can be printed, whatever bytes its name is of."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def retry_while_busy(work: Callable[[T], R], item: T) -> R:
    """``work(item)``, again and again while the machine is busy.

    Large photos are decoded one at a time, and each try waits until the deadline.
    """
    while True:
        try:
            return work(item)
        except Busy:
            continue


def map_ordered(
    work: Callable[[T], R], items: Iterable[T], threads: int | None = None
) -> Iterator[R]:
    """``work`` over ``items`` on all cores, results in the order of the items.

    A few items a core are under way at once: memory stays small however many
    there are, and closing the iterator stops the rest.
    """
    threads = threads or settings().threads
    under_way: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="photos") as pool:
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) > threads * 4:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
