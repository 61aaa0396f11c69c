"""The cache of derived files: folders that are made once and never changed.

An image's build may have made some below ``BUILT_DIR``; all others are in the data folder. A folder
appears when it is complete, so that a killed process leaves nothing half made.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..settings import ROOT, settings
from ..storage.atomic import publish_folder

BUILT_DIR = ROOT / "derived"
"""Derived files that an image's build made; never written by the app."""

KEPT_VERSIONS = 2
"""Number of versions that are kept: the new one, and the previous one for pages that are open."""


def derived_dir() -> Path:
    """Return the folder of all derived files; deleting it costs only the time to make them."""
    return settings().data / "derived"


def find_folder(name: str) -> Path | None:
    """Return the folder of that name if it has been made."""
    folders = [root / name for root in (BUILT_DIR, derived_dir())]
    return next((folder for folder in folders if folder.is_dir()), None)


def find_file(name: str, file: str) -> Path | None:
    """Return a file of any version below the folder ``name``; ``file`` is its whole name."""
    for root in (BUILT_DIR, derived_dir()):
        for path in (root / name).glob("[!.]*/*"):
            # Compared with the folder's entries, so that no name can lead out of it.
            if path.name == file:
                return path
    return None


def cached_folder(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of that name, made by ``make`` if it is missing.

    Older versions of the same thing are removed when a new one is made.

    Args:
        name: relative path, ``KIND/VERSION``; the version names the content, since nothing is
            made again.
        make: fills the folder that it is given.

    Raises:
        OSError: it cannot be written.
    """
    if folder := find_folder(name):
        return folder
    folder = derived_dir() / name

    def fill(new: Path) -> Path:
        make(new)
        return folder

    publish_folder(folder.parent, fill, _move_unless_made)
    remove_old_versions(folder)
    return folder


def _move_unless_made(new: Path, folder: Path) -> None:
    try:
        new.rename(folder)
    except OSError:
        # Another process was faster; its files are the same.
        if not folder.is_dir():
            raise


def remove_old_versions(new: Path) -> None:
    """Remove all but the latest versions beside a new one."""
    ages: dict[Path, float] = {}
    for folder in new.parent.glob("[!.]*"):
        with suppress(FileNotFoundError):  # another process may remove it
            ages[folder] = time.time() - folder.stat().st_mtime
    others = sorted(ages.keys() - {new}, key=lambda folder: ages[folder])
    for folder in others[KEPT_VERSIONS - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)
