"""Arguments ``NAME=FOLDER`` for photos of other things, and what is in a folder, by name."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import DataError
from ..text import clean

UNNAMED, MAX_NAME = "other photos", 100


def name_folders(folders: Mapping[str, Path] | Iterable[str | Path]) -> dict[str, Path]:
    """Return folders of OOD photos by the name of their set, which visitors read.

    Without a name (``NAME=FOLDER``) they are "other photos": the folder's own name is not for
    visitors.

    Raises:
        DataError: two sets have the same name.
    """
    if isinstance(folders, Mapping):
        return {**folders}
    named: dict[str, Path] = {}
    for word in map(str, folders):
        name, separator, path = word.partition("=")
        if not separator or Path(word).is_dir():
            number = sum(other.startswith(UNNAMED) for other in named) + 1
            name, path = UNNAMED if number == 1 else f"{UNNAMED} {number}", word
        if (name := clean(name)[:MAX_NAME] or UNNAMED) in named:
            raise DataError(f"Two folders of unknown photos have the name {name!r}. Rename one.")
        named[name] = Path(path)
    return named


def list_subfolders(folder: Path, *, follow_links: bool = True) -> list[Path]:
    """Return the folders in a folder, sorted by name, without hidden ones.

    Without ``follow_links``, those that are symbolic links are left out.

    Raises:
        DataError: the folder can't be read.
    """
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.is_dir() and path.name[0] != "." and (follow_links or not path.is_symlink())
        )
    except OSError as error:
        raise DataError(f"{folder} can't be read: {error.strerror}.") from error


def find_file(folder: Path, name: str) -> Path | None:
    """Return a file below a folder by its relative name, which may be untrusted; None without one.

    Hidden files and symbolic links are never found.
    """
    path = folder
    with suppress(OSError, ValueError):  # a name that no file can have
        for part in name.split("/"):
            path /= part
            if path.name != part or part.startswith(".") or path.is_symlink():
                return None
        return path if path.is_file() else None
    return None
