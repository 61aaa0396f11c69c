"""The record of the files that ``write`` made in a folder, to tell them from edited ones."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from model.atomic import replace_atomically
from model.file_hash import hash_file

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


def is_as_written(record: Mapping[str, str], folder: Path, path: str) -> bool:
    """Return whether the file at ``path`` below a folder holds what ``write`` last put there."""
    return path in record and record[path] == hash_file(folder / path)


def update_record(folder: Path, paths: Iterable[Path]) -> None:
    """Add files below a folder to its record, as they are now."""
    before = read_record(folder)
    after = before | {path.relative_to(folder).as_posix(): hash_file(path) for path in paths}
    if after != before:
        with replace_atomically(folder / RECORD, durable=True) as temporary:
            temporary.write_text(json.dumps(after, indent=1, sort_keys=True) + "\n")
