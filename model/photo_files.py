"""Photos in folders, found by name or content, and work on many of them at once."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from .photo.formats import SIGNATURE_SIZE, SUFFIXES, detect_format
from .settings import settings

__all__ = ["SUFFIXES", "is_photo", "list_photos", "map_ordered", "printable"]

T = TypeVar("T")
R = TypeVar("R")


def list_photos(folder: Path) -> list[Path]:
    """Return the photos in a folder and its subfolders, sorted by name; none that are hidden.

    Of a file whose suffix does not say that it is a photo, the first bytes are read.
    """
    paths = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += [
            path
            for path in (Path(parent, name) for name in sorted(names) if not name.startswith("."))
            if is_photo(path.name, partial(_read_signature, path))
        ]
    return paths


def is_photo(name: str, read_signature: Callable[[], bytes]) -> bool:
    """Return whether a file is a photo, by its suffix or else by its content.

    Args:
        name: the file's name.
        read_signature: returns the file's first ``SIGNATURE_SIZE`` bytes; called only
            where the suffix does not decide.
    """
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES:
        return True
    detected = detect_format(read_signature())
    # Raw files of cameras are TIFFs that hold a thumbnail: their suffix says what they are.
    return detected is not None and not (detected == "TIFF" and suffix)


def _read_signature(path: Path) -> bytes:
    """Return a file's first bytes; none if it cannot be read or is no regular file."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(SIGNATURE_SIZE)
    except OSError:
        return b""


def printable(path: Path) -> str:
    """Return a path with forward slashes that can be printed, whatever bytes its name is of."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def map_ordered(
    work: Callable[[T], R], items: Iterable[T], threads: int | None = None
) -> Iterator[R]:
    """Yield the results of ``work`` on ``items``, run on all cores, in the order of the items.

    A few items per core are in progress at a time: memory stays small however many
    there are, and closing the iterator stops the others.
    """
    threads = threads or settings().threads
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="photos") as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > threads * 4:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
