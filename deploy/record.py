"""What ``write`` made in a folder, which tells its own files from those that were edited."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from model.atomic import replace_atomically

__all__ = ["RECORD", "is_as_written", "read_record", "update_record"]

RECORD = ".loupe-deploy.json"
"""Name of the file that holds the SHA-256 of each file that ``write`` made, by path."""


def read_record(folder: Path) -> dict[str, str]:
    """Return the recorded hashes by path; none if there is no record or it can't be read."""
    try:
        document = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def is_as_written(record: Mapping[str, str], path: str, content: bytes) -> bool:
    """Return whether a file holds what ``write`` last put there."""
    return record.get(path) == sha256(content).hexdigest()


def update_record(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Add files as written to a folder's record."""
    before = read_record(folder)
    after = before | {path: sha256(content).hexdigest() for path, content in contents.items()}
    if after != before:
        with replace_atomically(folder / RECORD, durable=True) as temporary:
            temporary.write_text(json.dumps(after, indent=1, sort_keys=True) + "\n")
