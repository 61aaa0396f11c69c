"""The cache of derived files: folders in the data folder, made once and never changed.

Each folder appears whole or not at all, so that a killed process leaves nothing half made.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..settings import settings

__all__ = ["cached_folder", "derived_dir"]


def derived_dir() -> Path:
    """Return the folder of all derived files; deleting it costs only the time to make them."""
    return settings().data / "derived"


def cached_folder(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of that name below ``derived_dir()``, made by ``make`` if it is missing.

    Args:
        name: relative path; it names the content, such as a version, since nothing is made again.
        make: fills the folder that it is given.

    Raises:
        OSError: it cannot be written.
    """
    folder = derived_dir() / name
    if folder.is_dir():
        return folder
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
        return folder
    finally:
        shutil.rmtree(new, ignore_errors=True)
