"""Where models stand: those that ship, and the owner's own in the data folder."""

import hashlib
import json
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..atomic import fsync_path
from ..errors import BundleDamaged, BundleError, BundleNotFound
from ..settings import settings
from .bundle import BUILTIN_DIR, MANIFEST, Bundle
from .manifest import FORMAT

__all__ = [
    "CURRENT_FILE",
    "Mark",
    "current_version",
    "fingerprint",
    "get_bundle",
    "list_models",
    "model_dir",
    "open_bundle",
    "publish",
    "set_current",
]

NAMED = re.compile(r"[^/\\\0]+")
"""What can be a folder's name on a shelf."""

Mark = tuple[tuple[str, int, int, int] | None, ...]

CURRENT_FILE = "current"
"""The file beside a model's versions that names the one in use."""

ABANDONED = 24 * 3600
"""Seconds after which a folder that is being written counts as left behind."""


def _shelves() -> list[Path]:
    """Folders that hold models, the owner's own first."""
    return [settings().data / "models", BUILTIN_DIR]


def list_models() -> dict[str, Bundle | BundleError]:
    """Every model by name; one that is refused is there with its refusal."""
    found: dict[str, Bundle | BundleError] = {}
    for shelf in _shelves():
        for folder in _models(shelf):
            if folder.name in found:
                continue
            try:
                found[folder.name] = _open(folder)
            except BundleError as error:
                found[folder.name] = error
    return found


def get_bundle(name: str) -> Bundle:
    """The model of that name.

    Raises:
        BundleNotFound: there is none; the message lists those there are.
        BundleError: it is refused.
    """
    return _open(model_dir(name))


def fingerprint(name: str) -> Mark:
    """What tells one state of a model's files from the next, without reading them.

    Two marks are equal while neither the pointer to the current version nor a manifest was
    written again. For any name, also one that is on no shelf.
    """
    folders = [shelf / name for shelf in _shelves()] if NAMED.fullmatch(name) else []
    return tuple(_stat(folder / file) for folder in folders for file in (CURRENT_FILE, MANIFEST))


def _stat(path: Path) -> tuple[str, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns


def model_dir(name: str) -> Path:
    """The folder of the model of that name: a bundle, or its versions.

    Raises:
        BundleNotFound: there is none; the message lists those there are.
    """
    for shelf in _shelves():
        # Compared with the names on the shelf, so that no name can leave it.
        if name in {folder.name for folder in _models(shelf)}:
            return shelf / name
    names = ", ".join(list_models()) or "none"
    raise BundleNotFound(f"There is no model named {name!r}. Models here: {names}.")


def _models(shelf: Path) -> list[Path]:
    """The shelf's models by name; a folder that a first write left without any file is none."""
    if not shelf.is_dir():
        return []
    return [
        folder
        for folder in sorted(shelf.iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and _visible_file(folder)
    ]


def _visible_file(folder: Path) -> bool:
    return any(path.is_file() and not path.name.startswith(".") for path in folder.iterdir())


def _open(folder: Path) -> Bundle:
    """Open a shelf's folder: a bundle, or versions with a file that names the current one."""
    version = current_version(folder)
    if version is None:
        return open_bundle(folder, folder.name)
    if version not in {path.name for path in folder.iterdir() if path.is_dir()}:
        raise BundleDamaged(f"{folder / CURRENT_FILE} names {version!r}, which is not there.")
    return open_bundle(folder / version, folder.name)


def open_bundle(folder: Path, name: str) -> Bundle:
    """The bundle in a folder, which must say that it is the model of that name.

    Raises:
        BundleError: it is refused.
    """
    bundle = Bundle.open(folder)
    if bundle.name != name:
        raise BundleDamaged(
            f"{bundle.folder / MANIFEST} says that this model is {bundle.name!r}, but its folder "
            f"is {name!r}. Rename the folder."
        )
    return bundle


def current_version(folder: Path) -> str | None:
    """What a model's folder says its current version is; None where it has no versions."""
    pointer = folder / CURRENT_FILE
    if not pointer.is_file():
        return None
    return pointer.read_bytes()[:100].decode(errors="replace").strip()


def publish(values: dict[str, object], shelf: Path, fill: Callable[[Path], None]) -> Bundle:
    """Write a bundle and put it into place only when it is whole.

    Args:
        values: the manifest without ``files`` and ``format``.
        shelf: where it goes. Versions stand beside each other, so that the
            former one stays; among the models that ship the folder is replaced,
            because git keeps the former.
        fill: writes all other files into the folder it is given.

    Raises:
        BundleDamaged: what was written does not pass its own check.
    """
    shelf = shelf.resolve()
    shelf.mkdir(parents=True, exist_ok=True)
    _sweep(shelf)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=shelf))
    try:
        fill(new)
        files = {
            path.name: {
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in sorted(new.iterdir())
        }
        text = json.dumps(
            {"format": FORMAT, **values, "files": files}, indent=1, ensure_ascii=False
        )
        (new / MANIFEST).write_text(text + "\n", encoding="utf-8")
        bundle = Bundle.open(new)
        bundle.verify()
        for path in new.iterdir():
            path.chmod(0o644)
            fsync_path(path)
        new.chmod(0o755)
        return Bundle.open(_place(new, shelf / bundle.name, bundle.version))
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _place(new: Path, folder: Path, version: str) -> Path:
    if folder.parent == BUILTIN_DIR:
        former = folder.with_name(f".former-{folder.name}")
        shutil.rmtree(former, ignore_errors=True)
        if folder.exists():
            folder.rename(former)
        new.rename(folder)
        shutil.rmtree(former, ignore_errors=True)
        return folder
    folder.mkdir(exist_ok=True)
    if (folder / version).exists():
        # The same version again, perhaps because a file of it was damaged.
        (folder / version).rename(new.with_name(f"{new.name}-former"))
    new.rename(folder / version)
    set_current(folder, version)
    shutil.rmtree(new.with_name(f"{new.name}-former"), ignore_errors=True)
    return folder / version


def set_current(folder: Path, version: str) -> None:
    """Make a version the current one by one rename: whoever looks finds the former or it."""
    # A name of its own, so that two that write at once do not take each other's away.
    pointer = folder / f".{CURRENT_FILE}-{secrets.token_hex(4)}"
    try:
        pointer.write_text(version)
        fsync_path(pointer)
        pointer.replace(folder / CURRENT_FILE)
    finally:
        pointer.unlink(missing_ok=True)
    fsync_path(folder)


def _sweep(shelf: Path) -> None:
    """Remove what writes that were killed left behind; one that is under way is younger."""
    for folder in shelf.glob(".new-*"):
        if time.time() - folder.stat().st_mtime > ABANDONED:
            shutil.rmtree(folder, ignore_errors=True)
    for pointer in shelf.glob(f"*/.{CURRENT_FILE}-*"):
        with suppress(FileNotFoundError):
            if time.time() - pointer.stat().st_mtime > ABANDONED:
                pointer.unlink()
