"""SHA-256 of files."""

import hashlib
from pathlib import Path


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 as hex digits.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
