"""The files of versions in a folder, in a bucket or behind another Loupe's route."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..api_client import open_url
from ..bundle import MANIFEST, Bundle
from ..errors import FolderExists
from ..settings import settings
from ..storage.addresses import StorageUnavailable, open_storage, storage_errors, write_file

ROUTE = "/api/v1/models/"
TIMEOUT_SECONDS, FILE_SECONDS = 20, 600
"""Longest wait for a part of a file from a route, and for a whole file."""

CHUNK_BYTES = 2**22


def is_route(address: str) -> bool:
    """Return whether a store is another Loupe, from which versions are only read."""
    return address.startswith(("http://", "https://"))


def copy_file(name: str, target: Path, max_bytes: int) -> None:
    """Copy ``NAME/VERSION/FILE`` from the store; nothing of it is checked but its size.

    Raises:
        StorageUnavailable: it can't be read, is no plain file, is larger or too slow.
        DataError: the store's address can't be used.
    """
    address, ends = settings().store, time.monotonic() + FILE_SECONDS
    with storage_errors(address), _open(address, name) as file, target.open("wb") as sink:
        # One that sends byte by byte must not hold a read forever.
        read = getattr(file, "read1", file.read)
        while chunk := read(CHUNK_BYTES):
            if sink.tell() + len(chunk) > max_bytes or time.monotonic() > ends:
                raise StorageUnavailable(
                    f"{name} in {address} has more than {max_bytes:,} bytes, or took longer than "
                    f"{FILE_SECONDS} s. Check the network, or publish the version again."
                )
            sink.write(chunk)


@contextmanager
def _open(address: str, name: str) -> Iterator[Any]:
    if is_route(address):
        with open_url(f"{address}{ROUTE}{name}", timeout=TIMEOUT_SECONDS) as reply:
            if reply.status != 200:
                raise StorageUnavailable(
                    f"{address} answered {reply.status} for {name}. Give the store's own address, "
                    "without a redirect. The store needs this version and LOUPE_DOWNLOADS=true."
                )
            yield reply
        return
    files = open_storage(address)
    info = files.info(name)
    # A pipe would be waited for forever.
    if info["type"] != "file" or info.get("islink"):
        raise StorageUnavailable(f"{name} in {address} isn't a plain file. Publish it again.")
    with files.open(name, "rb", block_size=CHUNK_BYTES) as file:
        yield file


def upload(bundle: Bundle) -> None:
    """Copy a verified version to a folder or bucket, ``bundle.json`` last.

    Raises:
        FolderExists: it has another file there.
        BundleDamaged, DataError, StorageUnavailable: a file, the address or the store can't be
            used.
    """
    address = settings().store
    files = open_storage(address)
    for file in (*bundle.file_names, MANIFEST):
        is_manifest = file == MANIFEST
        data = (bundle.folder / file).read_bytes() if is_manifest else bundle.read(file)
        name = f"{bundle.name}/{bundle.version}/{file}"
        with storage_errors(address):
            if not files.exists(name):
                write_file(files, name, data)
            elif files.cat_file(name, start=0, end=len(data) + 1) != data:
                raise FolderExists(
                    f"{name} in {address} is another file and isn't replaced. Find out who "
                    "changed it, remove it and publish again."
                )
