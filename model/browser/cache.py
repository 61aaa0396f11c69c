"""The cache of derived files: folders that are made once and never changed.

An image's build may have made some below ``BUILT_DIR``; all others are in the data folder. A folder
appears when it is complete, so that a killed process leaves nothing half made. Each process
compares a folder with its hashes before it uses it; a damaged one is made again.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

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

    Older versions of the same thing are removed when a new one is made.

    Args:
        name: relative path, ``KIND/VERSION``; the version names the content, since only
            damaged folders are made again.
        make: fills the folder that it is given.

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
