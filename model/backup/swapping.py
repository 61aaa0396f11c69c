"""Two folders change places: in one step of the kernel where it has one."""

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..atomic import fsync_path

__all__ = ["renamable", "swap"]

HERE = -100
"""``AT_FDCWD``: paths as the process sees them."""

EXCHANGE = 2
"""``RENAME_EXCHANGE`` of Linux's renameat2(2), ``RENAME_SWAP`` of macOS's renamex_np(2)."""


def renamable(folder: Path, keep: Sequence[Path]) -> bool:
    """Whether a folder can be renamed: no volume, above none of ``keep``, its parent writable."""
    if any(place.resolve().is_relative_to(folder) for place in keep):
        return False
    above = folder.parent
    while not above.exists():
        above = above.parent
    return os.access(above, os.W_OK) and not _mounted(folder)


def swap(new: Path, place: Path) -> None:
    """Put ``new`` in the place of ``place`` and the other way round; either may be missing.

    Raises:
        OSError: the disk refuses; both are as they were.
    """
    if not new.exists():
        if place.exists():
            place.rename(new)
        return
    if not place.exists():
        new.rename(place)
    elif not _exchanged(new, place):
        spare = new.with_name(f"{new.name}-former")
        place.rename(spare)
        try:
            new.rename(place)
        except OSError:
            spare.rename(place)
            raise
        spare.rename(new)
    fsync_path(place.parent)
    fsync_path(new.parent)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names at one moment; False where system or disk cannot."""
    paths = os.fsencode(one), os.fsencode(other)
    try:
        library = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return bool(library.renamex_np(*paths, EXCHANGE) == 0)
        return bool(library.renameat2(HERE, paths[0], HERE, paths[1], EXCHANGE) == 0)
    except (AttributeError, OSError, TypeError):
        return False


def _mounted(folder: Path) -> bool:
    if os.path.ismount(folder):
        return True
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    # A folder of the same disk, bound here as containers do: only the kernel's list says so.
    return str(folder) in {line.split()[4] for line in lines}
