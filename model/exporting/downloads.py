"""Exports that the app offers for download: zips in the cache, one per version and format.

Only the owner's command makes them.
"""

import zipfile
from collections.abc import Iterable
from pathlib import Path

from ..browser.cache import derived_dir, remove_old_versions
from ..bundle import Bundle
from ..storage.disk import make_folder, replace_atomically
from .formats import FORMATS


def find_downloads(bundle: Bundle) -> dict[str, Path]:
    """Return the zips of a bundle's exports by format, in the order of ``FORMATS``."""
    folder = _folder(bundle)
    paths = {name: folder / f"{bundle.name}-{name}.zip" for name in FORMATS}
    return {name: path for name, path in paths.items() if path.is_file()}


def keep_download(bundle: Bundle, name: str, folder: Path, files: Iterable[str]) -> Path:
    """Keep an export as a download, in place of an earlier one; remove those of old versions.

    Args:
        bundle: the model.
        name: the format.
        folder: the export.
        files: its files, relative to the folder.

    Raises:
        OSError: the data folder can't be written.
    """
    target = _folder(bundle)
    make_folder(target)
    path = target / f"{bundle.name}-{name}.zip"
    with (
        replace_atomically(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for file in files:
            archive.write(folder / file, f"{bundle.name}-{name}/{file}")
    remove_old_versions(target)
    return path


def _folder(bundle: Bundle) -> Path:
    return derived_dir() / "exports" / bundle.name / bundle.version
