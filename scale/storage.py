"""The photos of an archive, in a folder or bucket."""

from collections.abc import Iterator
from pathlib import Path

from fsspec.implementations.dirfs import DirFileSystem

from model.photo.formats import SUFFIXES
from model.storage.addresses import StorageUnavailable, open_storage, storage_errors, write_file

__all__ = ["StorageUnavailable", "list_photos", "open_storage", "storage_errors", "write_file"]


def list_photos(files: DirFileSystem) -> Iterator[tuple[str, int]]:
    """Yield the name and bytes of every photo, without hidden ones and links."""
    # A listing per folder at the top: all at once may not fit in memory.
    for entry in files.ls("", detail=True):
        is_folder = entry["type"] == "directory"
        for info in files.find(entry["name"], detail=True).values() if is_folder else [entry]:
            is_hidden = any(part.startswith(".") for part in info["name"].split("/"))
            is_photo = Path(info["name"]).suffix.lower() in SUFFIXES
            if info["type"] == "file" and is_photo and not is_hidden:
                yield info["name"], info["size"]
