"""The cache of derived files: folders that are made once and never changed.

An image's build may have made some below ``BUILT_DIR``; all others are in the data folder. A folder
appears when it is complete, so that a killed process leaves nothing half made.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ..bundle.registry import ABANDONED_SECONDS
from ..settings import ROOT, settings

__all__ = [
    "BUILT_DIR",
    "cached_folder",
    "derived_dir",
    "find_file",
    "find_folder",
    "remove_old_versions",
]

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
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        make(new)
        new.chmod(0o755)
        try:
            new.rename(folder)
        except OSError:
            # Another process was faster; its files are the same.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    remove_old_versions(folder)
    return folder


def remove_old_versions(new: Path) -> None:
    """Remove all but the latest versions beside a new one, and what killed processes left."""
    ages: dict[Path, float] = {}
    for folder in new.parent.iterdir():
        try:
            ages[folder] = time.time() - folder.stat().st_mtime
        except FileNotFoundError:  # another process removed it
            continue
    half_made = {folder for folder in ages if folder.name.startswith(".")}
    others = sorted(ages.keys() - half_made - {new}, key=lambda folder: ages[folder])
    abandoned = [folder for folder in half_made if ages[folder] > ABANDONED_SECONDS]
    for folder in [*others[KEPT_VERSIONS - 1 :], *abandoned]:
        shutil.rmtree(folder, ignore_errors=True)
