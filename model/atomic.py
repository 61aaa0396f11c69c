"""Atomic replacement of files and folders, and flushing them to disk."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["fsync_path", "replace_atomically", "replace_folder"]


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


def replace_folder(folder: Path, new: Path) -> None:
    """Move the finished folder ``new`` to ``folder``, and remove the previous one.

    Both are on one file system. If it fails, ``folder`` is as it was.

    Raises:
        OSError: one of the two can't be moved.
    """
    old = new.with_name(f"{new.name}-old")
    if os.path.lexists(folder):
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if os.path.lexists(old):
            old.rename(folder)
        raise
    if old.is_symlink() or old.is_file():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)


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
