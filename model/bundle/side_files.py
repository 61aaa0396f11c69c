"""Files beside ``bundle.json``, which it doesn't list, so that the version stays if they change."""

import json
import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ..errors import BundleError, LoupeError
from ..storage.disk import replace_atomically
from .bundle import Bundle

T = TypeVar("T")
Parse = Callable[[Any, Bundle], T]
"""Parser of a file beside a bundle; it takes the decoded JSON and the bundle."""

log = logging.getLogger("loupe")


def load_beside(bundle: Bundle, name: str, max_bytes: int, parse: Parse[T]) -> T | None:
    """Return a JSON file's content; None if there is none, or a damaged one, which is logged.

    A file is damaged if ``parse`` raises a ``LoupeError``, ``OSError`` or ``ValueError``.
    """
    path = bundle.folder / name
    try:
        status = path.lstat()
    except OSError:
        return None
    key = status.st_mtime_ns, status.st_ino, status.st_size
    try:
        content: T | None = _load(path, max_bytes, parse, bundle.version, key)
    except (OSError, BundleError) as error:
        log.warning("%s is ignored: %s", path, str(error)[:300])
        return None
    return content


# Cached until the file changes, as manifests are; so a damaged one is logged once. The samples
# of a model take 250 kB.
@lru_cache(maxsize=64)
def _load(path: Path, max_bytes: int, parse: Parse[T], version: str, _key: object) -> T | None:
    # Errors from here aren't cached, since the model may be complete again in a moment.
    bundle = Bundle.open(path.parent)
    try:
        if bundle.version != version:
            raise ValueError(f"the model is now {bundle.version}, and it was {version}")
        return parse(json.loads(read_beside(path, max_bytes)), bundle)
    except (OSError, ValueError, RecursionError, LoupeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        log.warning("%s is ignored: %s", path, reason[:300])
        return None


def read_beside(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file beside a bundle.

    Raises:
        ValueError: it isn't a plain file, or is larger.
    """
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{path.name} isn't a file")
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"{path.name} has more than {max_bytes:,} bytes")
    return data


def write_beside(path: Path, data: bytes) -> None:
    """Write a file beside a bundle, in place of a previous one."""
    with replace_atomically(path, durable=True) as new:
        new.write_bytes(data)
        new.chmod(0o644)
