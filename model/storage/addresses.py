"""Folders and buckets by address, through fsspec.

An address names a bucket, never a host, so it can't send files or credentials elsewhere.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, LoupeError
from ..text import clean
from .disk import replace_atomically

if TYPE_CHECKING:
    from fsspec.implementations.dirfs import DirFileSystem

BUCKET = re.compile(r"(s3|gs|abfs)://([a-z0-9][a-z0-9._-]{1,61}[a-z0-9](?:/[^/?#\x00-\x1f]+)*)")
SCHEME = re.compile(r"(?i)[a-z][a-z0-9+.-]+:(/|$)|(s3|gs|abfs):|.*(://|::)", re.DOTALL)
"""Beginning of an address that isn't a folder's; give a folder of such a name as ./NAME."""


class StorageUnavailable(LoupeError, code="storage-unavailable"):
    """A folder or bucket that can't be listed, read or written."""


def open_storage(address: str) -> "DirFileSystem":
    """Return the files at an address, by names relative to it.

    Raises:
        DataError: it is neither a folder nor a bucket, names a host, or is chained.
        StorageUnavailable: the bucket's package or account is missing.
    """
    # Imported on first use: most processes open no address.
    import fsspec
    from fsspec.implementations.dirfs import DirFileSystem

    if not SCHEME.match(address):
        return DirFileSystem(address, fsspec.filesystem("file"))
    match = BUCKET.fullmatch(address)
    if match is None or {".", ".."} & set(match[2].split("/")):
        shown = re.sub(r"//[^/]*@", "//…@", clean(address))  # without a password
        raise DataError(
            f"{shown[:200]} can't be used as an address. Give a folder, or a bucket as "
            "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or abfs://CONTAINER/PREFIX. Accounts and "
            "endpoints are set in the environment (docs/scale.md)."
        )
    with storage_errors(address):
        try:
            files = fsspec.filesystem(match[1], use_listings_cache=False)
        except ImportError:
            raise StorageUnavailable(
                f"{address} needs a package that isn't installed. "
                "Run: pip install -r requirements-buckets.txt"
            ) from None
        return DirFileSystem(match[2], files)


@contextmanager
def storage_errors(address: str) -> Iterator[None]:
    """Raise ``StorageUnavailable`` for any error: each library has its own, few are OSErrors."""
    try:
        yield
    except LoupeError:
        raise
    except Exception as error:
        reason = clean(str(error))[:300].rstrip(".") or type(error).__name__
        if isinstance(error, FileNotFoundError) and not error.errno and "exist" not in reason:
            reason += " doesn't exist"  # the reason is a name
        raise StorageUnavailable(
            f"{clean(address)} can't be used: {reason}. Check the address, the network and the "
            "permissions, then try again."
        ) from error


def write_file(files: "DirFileSystem", name: str, data: bytes) -> None:
    """Write a file atomically: readers see all of it or nothing."""
    if "file" not in files.fs.protocol:
        files.pipe_file(name, data)
        return
    path = Path(files.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path, durable=True) as temporary:
        temporary.write_bytes(data)
