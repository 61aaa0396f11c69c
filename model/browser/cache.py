"""The cache of derived files: folders that are made once and never changed.

An image's build may have made some below ``BUILT_DIR``; all others are in the data folder. A folder
appears when it is complete, so that a killed process leaves nothing half made. Each process
compares a folder with its hashes before it uses it; a damaged one is made again. ``FolderMaker``
makes folders in the background: one at a time, shared by all requests for one.
"""

import json
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import LoupeError
from ..settings import ROOT, settings
from ..storage.disk import hash_file, publish_folder, replace_folder

BUILT_DIR = ROOT / "derived"
"""Derived files that an image's build made; never written by the app."""

KEPT_VERSIONS = 2
"""Number of versions that are kept: the new one, and the previous one for pages that are open."""

HASHES = "sha256.json"
"""The file in a folder with the SHA-256 of the others; earlier versions of Loupe wrote none."""

log = logging.getLogger("loupe")


def derived_dir() -> Path:
    """Return the folder of all derived files; deleting it costs only the time to make them."""
    return settings().data / "derived"


def find_folder(name: str) -> Path | None:
    """Return the folder of that name if it has been made and isn't damaged."""
    folders = [root / name for root in (BUILT_DIR, derived_dir())]
    return next((folder for folder in folders if _is_whole(folder)), None)


def _is_whole(folder: Path) -> bool:
    # A folder that was made again has another modification time, so it is checked again.
    return folder.is_dir() and _matches_hashes(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _matches_hashes(folder: Path, _: int) -> bool:
    # Those of earlier versions have no hashes, and are made again.
    try:
        hashes = json.loads((folder / HASHES).read_bytes()).items()
        if all(hash_file(folder / name) == sha256 for name, sha256 in hashes):
            return True
    except (OSError, ValueError, AttributeError):
        pass
    log.warning("%s is damaged and will be made again.", folder)
    return False


def read_info(folder: Path, file: str) -> Any:
    """Return the contents of a JSON file in a folder of the cache.

    Raises:
        OSError: it can't be read, or was damaged since this process checked the folder.
    """
    try:
        return json.loads((folder / file).read_bytes())
    except ValueError:
        shutil.rmtree(folder, ignore_errors=True)
        _matches_hashes.cache_clear()
        raise OSError(f"{folder / file} is damaged. It will be made again when needed.") from None


def find_file(name: str, file: str) -> Path | None:
    """Return a file of any version below the folder ``name``; ``file`` is its whole name."""
    for root in (BUILT_DIR, derived_dir()):
        for path in (root / name).glob("[!.]*/*"):
            # Compared with the folder's entries, so that no name can lead out of it.
            if path.name == file and _is_whole(path.parent):
                return path
    return None


def cached_folder(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of that name, made by ``make`` if it is missing.

    Older versions of the same thing are then removed. ``name`` is ``KIND/VERSION``; the version
    names the content, since only damaged folders are made again.

    Raises:
        OSError: it cannot be written.
    """
    if folder := find_folder(name):
        return folder
    folder = derived_dir() / name

    def fill(new: Path) -> Path:
        make(new)
        write_hashes(new)
        return folder

    publish_folder(folder.parent, fill, _move_unless_made)
    remove_old_versions(folder)
    return folder


def write_hashes(folder: Path) -> None:
    """Write the hashes of a folder's files, without which it counts as damaged."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != HASHES]
    hashes = {path.relative_to(folder).as_posix(): hash_file(path) for path in files}
    (folder / HASHES).write_text(json.dumps(hashes))


def _move_unless_made(new: Path, folder: Path) -> None:
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        # Unless it is damaged, another process was faster, and its files are the same.
        if not _is_whole(folder):
            replace_folder(new, folder)


def remove_old_versions(new: Path) -> None:
    """Remove all but the latest versions beside a new one."""
    ages: dict[Path, float] = {}
    for folder in new.parent.glob("[!.]*"):
        with suppress(FileNotFoundError):  # another process may remove it
            ages[folder] = time.time() - folder.stat().st_mtime
    others = sorted(ages.keys() - {new}, key=lambda folder: ages[folder])
    for folder in others[KEPT_VERSIONS - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)


RETRY_SECONDS = 60.0
"""Time for which a failure is remembered, in seconds."""


class FolderMaker:
    """A thread at a time that makes derived folders, and the requests that wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = threading.Lock()
        self._requests: dict[str, Future[Path]] = {}
        self._retry_at: dict[str, float] = {}

    def request(self, name: str, make: Callable[[], Path]) -> "Future[Path]":
        """Return the future of a folder, which the first request for it starts to make.

        ``make`` runs in a thread. An exception of it is logged and raised for all requests within
        the next ``RETRY_SECONDS``, or nine times as long as ``make`` took.
        """
        with self._lock:
            if (future := self._requests.get(name)) and not self._may_retry(name):
                return future
            future = self._requests[name] = Future()
            self._retry_at.pop(name, None)
            # Marked as running, so that no caller can cancel a future that others wait for.
            future.set_running_or_notify_cancel()
        # A daemon thread, so that a slow download doesn't delay shutdown.
        thread = threading.Thread(
            target=self._make, args=(name, make, future), name=f"make {name}", daemon=True
        )
        thread.start()
        return future

    def _may_retry(self, name: str) -> bool:
        return time.monotonic() > self._retry_at.get(name, math.inf)

    def _make(self, name: str, make: Callable[[], Path], future: "Future[Path]") -> None:
        with self._busy:
            started = time.monotonic()
            try:
                folder = make()
            except BaseException as error:
                expected = isinstance(error, LoupeError | OSError)
                log.warning("%s", error, exc_info=None if expected else error)
                ended = time.monotonic()
                with self._lock:
                    # Large photos may have waited for it, so a slow failure isn't repeated soon.
                    self._retry_at[name] = ended + max(RETRY_SECONDS, 9 * (ended - started))
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
