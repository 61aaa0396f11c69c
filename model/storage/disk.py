"""Writing to disk: folders that can't be written to, full disks, atomic replacement, hashes.

What reads or writes here raises ``OSError`` if it can't.
"""

import errno
import hashlib
import itertools
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pathvalidate import sanitize_filename

from ..errors import ArchiveError, DataError
from ..settings import settings

RESERVED_BYTES = 64 * 2**20
"""Bytes of a disk that Loupe leaves free."""

FULL_DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}


def require_writable(folder: Path) -> None:
    """Check that files can be written to a folder, or that the folder can be created.

    Long tasks call it first, so that they don't fail only when they write their result.

    Raises:
        OSError: neither is possible; ``filename`` is the folder, or the parent that forbids it.
    """
    existing = _existing_parent(folder)
    if not existing.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(existing))
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(existing))


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; those in the data folder are for this user alone."""
    folder, data = folder.resolve(), settings().data.resolve()
    for path in (*reversed(folder.parents), folder):
        if not path.is_dir():
            path.mkdir(0o700 if path.is_relative_to(data) else 0o777, exist_ok=True)


def free_bytes(folder: Path) -> int:
    """Return how many bytes may be written below a folder that may not exist yet."""
    return shutil.disk_usage(_existing_parent(folder)).free - RESERVED_BYTES


MAX_ALIKE = 100
"""Most names in a folder that a disk takes for one."""


def number_names(name: str, suffix: str = "") -> Iterator[str]:
    """Yield a name with its suffix, then alternatives: ``name (2)``, ``name (3)`` and so on."""
    yield name + suffix
    yield from (f"{name} ({number}){suffix}" for number in itertools.count(2))


def free_path(folder: Path, name: str) -> Path:
    """Return a path that is free, of a name that this disk may refuse or may have already.

    Raises:
        ArchiveError: ``MAX_ALIKE`` such names are taken.
    """
    safe = Path(sanitize_filename(name, replacement_text="_", platform="auto"))
    names = itertools.islice(number_names(safe.stem, safe.suffix), MAX_ALIKE)
    path = next((folder / one for one in names if not os.path.lexists(folder / one)), None)
    if path is None:
        raise ArchiveError(f"{MAX_ALIKE} files are {safe.name!r} on this disk. Restore to another.")
    return path


def require_space(folder: Path, needed_bytes: int) -> None:
    """Check that so many bytes may be written below a folder.

    Raises:
        DataError: the disk has less space.
    """
    if needed_bytes > (free := free_bytes(folder)):
        raise DataError(
            f"This needs {needed_bytes / 1e6:,.0f} MB, but only {max(0, free) / 1e6:,.0f} MB of "
            f"the disk of {folder} can be used. Free some disk space."
        )


def _existing_parent(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    existing = folder.resolve()
    while not existing.exists():
        existing = existing.parent
    return existing


@contextmanager
def translate_disk_errors(folder: Path) -> Iterator[None]:
    """Turn errors that come from a full disk into an ``OSError`` that names the folder.

    torch and safetensors raise errors of their own, and a failed ``write`` names no file.

    Raises:
        OSError: the disk is full; ``filename`` is the file, if it is known, or ``folder``.
    """
    try:
        yield
    except Exception as error:
        if not _is_disk_full(error):
            raise
        path = getattr(error, "filename", None) or str(folder)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path) from error


def _is_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL_DISK_ERRNOS:
            return True
        # safetensors passes the system's message on, but not its number.
        if os.strerror(errno.ENOSPC) in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def make_private(file: Path) -> None:
    """Let only this user read an SQLite database, which may hold visitors' photos.

    SQLite gives the files beside the database its mode, but some may be older than this call.
    Files that are missing or belong to another user are left alone.
    """
    for path in (file, *(file.with_name(f"{file.name}-{part}") for part in ("wal", "shm"))):
        with suppress(OSError):
            path.chmod(0o600)


def is_lasting(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Return whether files in a folder outlast the container, as far as the system's mounts say.

    Source: proc_pid_mountinfo(5); the fifth field is the place, the type follows a hyphen.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return True
    places = [(line.split()[4], line.partition(" - ")[2].split()[0]) for line in lines]
    inside = [(place, kind) for place, kind in places if folder.resolve().is_relative_to(place)]
    return not inside or max(inside, key=lambda one: len(one[0]))[1] not in ("overlay", "tmpfs")


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
    try:
        yield temporary
        if durable:
            fsync_path(temporary)
        # Windows replaces no file that is open, and readers are done within milliseconds.
        for _ in range(200 if os.name == "nt" else 0):
            with suppress(PermissionError):
                temporary.replace(path)
                break
            time.sleep(0.01)
        else:
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
    """Fill a folder and move it into place, which is returned: readers see all of it or nothing.

    What killed calls left in ``parent`` is removed a day later.

    Args:
        parent: an existing or new folder on the disk of the result.
        fill: writes into the empty folder that it is given, and returns the path to move it to.
        move: moves the new folder to that path; by default ``replace_folder``.
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


@contextmanager
def lock_folders(parent: Path) -> Iterator[None]:
    """Hold the lock of the folders in ``parent``, and first move back what a kill left hidden."""
    # Imported on first use: the process that inspects exports needs this module, but no locks.
    from filelock import FileLock

    with FileLock(parent / ".lock"):
        for old in parent.glob(f"{OLD_PREFIX}*"):
            folder = old.with_name(old.name.removeprefix(OLD_PREFIX))
            if not folder.exists():
                with suppress(OSError):
                    old.rename(folder)
        yield


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def fsync_path(path: Path) -> None:
    """Flush a file or a folder to disk."""
    # Windows can't flush a handle opened for reading; its file system journals renames.
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
