"""A host's files: as a mapping, as a zip, into a folder."""

import io
import os
import tempfile
import zipfile
from enum import StrEnum
from pathlib import Path

from model.settings import ROOT

from .errors import FilesDiffer, Unreadable
from .host import Host
from .spec import APP

__all__ = ["Written", "archive", "files", "found", "write"]

EPOCH = (1980, 1, 1, 0, 0, 0)
MODE = 0o644
"""A manifest is read by others, too."""


class Written(StrEnum):
    """What became of a file."""

    NEW = "written"
    SAME = "was there already, the same"
    REPLACED = "replaced"


def files(host: Host) -> dict[str, str]:
    """The host's files by their paths, made from the app's description."""
    return host.make(APP)


def found(host: Host, folder: Path = ROOT) -> dict[str, str]:
    """Those of the host's files that lie below ``folder``, as they are there.

    Raises:
        Unreadable: one of them is no UTF-8 text.
    """
    there = {}
    for path in files(host):
        try:
            there[path] = (folder / path).read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except UnicodeDecodeError as error:
            raise Unreadable(f"{path} cannot be read: it is not UTF-8.") from error
    return there


def archive(host: Host) -> bytes:
    """The same as a zip; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, text in files(host).items():
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.external_attr = MODE << 16
            zipped.writestr(entry, text)
    return buffer.getvalue()


def write(host: Host, folder: Path = ROOT, *, force: bool = False) -> dict[Path, Written]:
    """Write the host's files below ``folder``, each whole or not at all.

    Raises:
        FilesDiffer: a file of that name says something else, and ``force`` is not given;
            nothing is written then.
    """
    states = {folder / path: _state(folder / path, text) for path, text in files(host).items()}
    different = [path for path, state in states.items() if state is Written.REPLACED]
    if different and not force:
        raise FilesDiffer(
            f"{', '.join(map(str, different))}: there, and not as it would be written. "
            "Give another folder with --to, or --force to replace it."
        )
    for path, text in files(host).items():
        if states[folder / path] is not Written.SAME:
            _put(folder / path, text)
    return states


def _state(path: Path, text: str) -> Written:
    if not path.exists():
        return Written.NEW
    return Written.SAME if path.read_bytes() == text.encode() else Written.REPLACED


def _put(path: Path, text: str) -> None:
    """Write beside, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        # mkstemp gives 0600.
        Path(temporary).chmod(MODE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
