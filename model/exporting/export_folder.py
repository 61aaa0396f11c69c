"""An export's folder: written completely or not at all, with a record of its files."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import FolderExists
from ..storage.disk import hash_file, publish_folder, replace_folder

RECORD = "loupe-export.json"
"""The file that lists the files of an export: the SHA-256 of each, by path."""

FORMAT = 1


def write_export(
    folder: Path, models: Mapping[str, str], fill: Callable[[Path], None]
) -> dict[str, int]:
    """Write an export, all of it or nothing; return the size of each file in bytes, by path.

    An earlier export is replaced. Other files beside it, such as ``.git`` or ``CNAME``, are
    kept.

    Args:
        folder: absent, empty, or an earlier export.
        models: the version of each model in it, by name.
        fill: writes the files into an empty folder, its argument.

    Raises:
        FolderExists: the folder holds something else.
        OSError: it can't be written.
    """
    folder = folder.resolve()
    kept = _list_others(folder)
    sizes = dict[str, int]()

    def fill_and_record(new: Path) -> Path:
        fill(new)
        files = {path: hash_file(new / path) for path in list_files(new)}
        write_json(new / RECORD, {"format": FORMAT, "models": dict(models), "files": files})
        sizes.update((path, (new / path).stat().st_size) for path in list_files(new))
        return folder

    def keep_others(new: Path, folder: Path) -> None:
        for other in kept:
            _copy(other, new / other.name)
        replace_folder(new, folder)

    publish_folder(folder.parent, fill_and_record, keep_others)
    return sizes


def list_files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it, sorted."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return an export's record: ``files`` (SHA-256 by path) and ``models`` (version by name).

    None if the folder is no export.
    """
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_record = isinstance(record, dict) and isinstance(record.get("files"), dict)
    return record if is_record and record.get("format") == FORMAT else None


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def escape_markdown(text: str) -> str:
    """Return text as one line that Markdown shows unchanged."""
    return re.sub(r"([\\`*_\[\]<>#|~!])", r"\\\1", " ".join(text.split()))


def _list_others(folder: Path) -> list[Path]:
    """Return the entries of a folder that its earlier export didn't make.

    Raises:
        FolderExists: it holds something else than an export.
    """
    if not folder.exists():
        return []
    entries = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    record = read_record(folder)
    if entries and record is None:
        raise FolderExists(
            f"{folder} holds something else than an earlier export. Choose another folder."
        )
    own = {path.split("/")[0] for path in (record or {"files": ()})["files"]} | {RECORD}
    return [path for path in entries if path.name not in own]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
