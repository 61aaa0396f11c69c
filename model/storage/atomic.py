"""Atomic replacement of files and folders, and flushing them to disk."""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .disk import make_folder

NEW_PREFIX, OLD_PREFIX = ".loupe-new-", ".loupe-old-"
"""Beginnings of the hidden names of folders that are being written or replaced."""

ABANDONED_SECONDS = 24 * 3600
"""Age at which a half-written folder counts as left behind by a killed process, in seconds."""


@contextmanager
def replace_atomically(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it replaces ``path`` if the block succeeds.

    The name is unique, so concurrent writers don't delete each other's file, and hidden, so
    no listing shows it. If the block raises, ``path`` is left as it was.

    Args:
        path: the file to replace; its folder must exist.
        durable: flush the file and its folder to disk, so that it survives a power cut.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
    try:
        yield temporary
        if durable:
            fsync_path(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        fsync_path(path.parent)


def publish_folder(
    parent: Path,
    fill: Callable[[Path], Path],
    move: Callable[[Path, Path], object] | None = None,
) -> Path:
    """Fill a new folder and move it into place: readers see all of it or nothing of it.

    What killed calls left in ``parent`` is removed a day later.

    Args:
        parent: an existing or new folder on the disk of the result.
        fill: writes into the empty folder that it is given, and returns the path to move it to.
        move: moves the new folder to that path; by default ``replace_folder``.

    Returns:
        The path that ``fill`` returned.

    Raises:
        OSError: the folder can't be written or moved.
    """
    make_folder(parent)
    for folder in parent.glob(f"{NEW_PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=NEW_PREFIX, dir=parent))
    try:
        target = fill(new)
        for path in new.rglob("*"):
            if path.is_file():
                path.chmod(0o644)
                fsync_path(path)
        new.chmod(0o755)
        (move or replace_folder)(new, target)
        return target
    finally:
        shutil.rmtree(new, ignore_errors=True)


def replace_folder(new: Path, target: Path) -> None:
    """Move a folder to ``target``, in place of what is there.

    A kill between the two renames leaves the previous folder beside it, under a hidden name; the
    next call moves it back first.

    Raises:
        OSError: one of the two can't be moved; ``target`` is then as it was.
    """
    old = target.with_name(f"{OLD_PREFIX}{target.name}")
    if os.path.lexists(old) and not os.path.lexists(target):
        old.rename(target)
    _remove(old)
    if os.path.lexists(target):
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if os.path.lexists(old):
            old.rename(target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def fsync_path(path: Path) -> None:
    """Flush a file or a folder to disk.

    Raises:
        OSError: the disk reports an error.
    """
    # Windows can't flush a handle opened for reading; its file system journals renames.
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
