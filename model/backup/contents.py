"""What a backup says that it holds, and which paths may stand in it."""

import unicodedata
from collections.abc import Iterable
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = [
    "CONTENTS",
    "FORMAT",
    "MAX_FILES",
    "PARTS",
    "RECORDS",
    "Contents",
    "Entry",
    "clash",
    "odd",
]

FORMAT = 1
CONTENTS = "loupe-backup.json"
RECORDS = "records.sqlite"
PARTS = ("models", RECORDS, "training")
"""All that Loupe keeps in its data folder. Nothing else is saved, so no secret can be."""

MAX_FILES = 20_000
"""A backup's files, four a version of a model."""

MAX_PATH = 500
"""UTF-8 bytes of a path, and of its parts half as many."""


class Entry(BaseModel):
    """A file: its path with forward slashes, and when it was changed in Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, Field(min_length=1, max_length=MAX_PATH)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    modified: Annotated[int, Field(ge=0, lt=2**40)]


class Contents(BaseModel):
    """``loupe-backup.json``. ``corrections`` is None where the records were left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[int, Field(strict=True)]
    made: AwareDatetime
    versions: dict[str, str]
    corrections: Annotated[int, Field(ge=0)] | None
    files: tuple[Entry, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models in it."""
        parts = (entry.path.split("/") for entry in self.files)
        return tuple(sorted({part[1] for part in parts if part[0] == "models"}))


def odd(path: str) -> str | None:
    """What is wrong with a path in a backup; None for one that stays inside its folder."""
    parts = path.split("/")
    if parts[0] not in PARTS:
        return "it is not a part of the data folder"
    if (parts[0] == RECORDS) != (len(parts) == 1):
        return "a folder stands where a file belongs, or the other way round"
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH or max(map(len, parts)) > MAX_PATH / 2:
        return "it is too long"
    if any(not part or part.startswith(".") or part[-1] in ". " for part in parts):
        return "a part of it is empty, hidden or leads elsewhere"
    if any(char in '\\:<>"|?*' or unicodedata.category(char) in ("Cc", "Cs") for char in path):
        return "it has characters that not every system takes"
    return None


def clash(paths: Iterable[str]) -> str | None:
    """A path that is another's, or another's folder, on some disk; None without one."""
    keys: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        # One on a disk that ignores case or composes accents.
        key = unicodedata.normalize("NFKD", path).casefold()
        parts = key.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if key in keys or key in folders or above & keys:
            return path
        keys.add(key)
        folders |= above
    return None
