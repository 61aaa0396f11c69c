"""The model registry: where the owner's models and the built-in ones are found.

A model in the data folder is a folder with its versions side by side and a file that names the
current one. A model that is deployed with the app, or built in, is one folder, because git keeps
its previous versions.
"""

import os
import re
from collections.abc import Callable, Container
from datetime import UTC, datetime
from functools import lru_cache
from math import inf
from pathlib import Path
from threading import Event

from pydantic import TypeAdapter, ValidationError

from ..errors import BundleDamaged, BundleError, BundleNotFound, DataError
from ..settings import settings
from ..storage.zips import is_portable_path
from .bundle import BUILTIN_DIR, MANIFEST, Bundle
from .manifest import NAME_RULE, Name

FOLDER_NAME = re.compile(r"[^/\\\0]+")

Fingerprint = tuple[tuple[str, int, int, int] | None, ...]

DEFAULT_MODEL = "imagenet"
"""The built-in model that opens where the owner has none."""

CURRENT_FILE = "current"
"""The file beside a model's versions that names the current one."""

HELD_FILE = "held-back"
"""The file beside a model's versions that names one which, while current, doesn't open first."""

store_pending = Event()
"""Set while a replica lacks published models: it answers nothing and offers no built-in model."""


def model_roots() -> list[Path]:
    """Return the folders that hold models, the owner's first."""
    return [*_own_roots(), *([BUILTIN_DIR] if _has_builtin() else [])]


def _has_builtin() -> bool:
    return settings().builtin and not store_pending.is_set()


def _own_roots() -> list[Path]:
    return [settings().data / "models", settings().bundles]


def default_models() -> list[str]:
    """Return the models to open by default, the most wanted first.

    That is the one in the settings, or else the owner's models, the newest first, then the
    built-in one, then those that are held back. Little is read: one may turn out to be damaged.
    """
    if settings().model:
        return [settings().model]
    return list(_newest_first(_own_times(), _has_builtin()))


def own_models() -> tuple[str, ...]:
    """Return the names of the owner's models."""
    return _newest_first(_own_times(), False)


FolderTimes = tuple[tuple[str, int], ...]
RootTimes = tuple[tuple[Path, FolderTimes], ...]


def _own_times() -> RootTimes:
    return tuple((root, _subfolder_times(root)) for root in _own_roots())


def _subfolder_times(root: Path) -> FolderTimes:
    """Return name and mtime in ns of each folder in ``root``: publishing a version changes it."""
    try:
        with os.scandir(root) as entries:
            return tuple((item.name, item.stat().st_mtime_ns) for item in entries if item.is_dir())
    except OSError:  # there is no such folder, or a model was removed just now
        return ()


# Every photo for the default model asks for it, and reading the dates of fifteen models takes 6%
# of an answer's time.
@lru_cache(maxsize=4)
def _newest_first(roots: RootTimes, has_builtin: bool) -> tuple[str, ...]:
    """Return the names of the models in these folders and the built-in one, in opening order."""
    ranks: dict[str, tuple[bool, float, str]] = {}
    for root, _ in roots:
        for folder in _model_folders(root):
            seconds = created(folder / (current_version(folder) or "")).timestamp()
            ranks.setdefault(folder.name, (_is_held_back(folder), -seconds, folder.name))
    if has_builtin:
        ranks.setdefault(DEFAULT_MODEL, (False, inf, DEFAULT_MODEL))
    return tuple(sorted(ranks, key=ranks.__getitem__))


def _is_held_back(folder: Path) -> bool:
    file = folder / HELD_FILE
    return file.is_file() and file.read_text(errors="replace") == current_version(folder)


def list_models() -> dict[str, Bundle | BundleError]:
    """Return every model by name, or the error that opening it raised."""
    models: dict[str, Bundle | BundleError] = {}
    for root in model_roots():
        for folder in _model_folders(root):
            if folder.name not in models:
                models[folder.name] = bundle_or_error(_open, folder)
    return models


def check_name(name: str, existing: Container[str] = ()) -> None:
    """Check a model's name before any work is done for it.

    Raises:
        DataError: it breaks ``NAME_RULE``; or Windows reserves it, and there is neither a model of
            that name nor anything in ``existing``.
    """
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise DataError(f"name: {NAME_RULE}") from None
    if not (is_portable_path(name) or name in existing or name in list_models()):
        raise DataError(f"Windows reserves the name {name!r}. Choose another name.")


def is_public(bundle: Bundle) -> bool:
    """Return whether the app gives a model's files away: the owner's as set, built-in ones always.

    A model in the owner's folders that has a built-in one's name is the owner's.
    """
    return settings().downloads or bundle.folder.is_relative_to(BUILTIN_DIR)


def list_public() -> list[Bundle]:
    """Return the models whose files the app gives away."""
    bundles = list_models().values()
    return [bundle for bundle in bundles if isinstance(bundle, Bundle) and is_public(bundle)]


def get_bundle(name: str) -> Bundle:
    """Open the current version of a model.

    Raises:
        BundleNotFound: there is no such model; the message lists the others.
        BundleError: it cannot be opened.
    """
    return _open(model_dir(name))


def fingerprint(name: str) -> Fingerprint:
    """Return a cheap fingerprint (inode, size, mtime) of a model's files.

    Equal fingerprints mean that neither the current version nor a manifest was rewritten.
    Accepts unknown names.
    """
    folders = [root / name for root in model_roots()] if FOLDER_NAME.fullmatch(name) else []
    return tuple(_stat(folder / file) for folder in folders for file in (CURRENT_FILE, MANIFEST))


def _stat(path: Path) -> tuple[str, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return str(path), status.st_ino, status.st_size, status.st_mtime_ns


def model_dir(name: str) -> Path:
    """Return the folder of a model: a bundle, or its versions.

    Raises:
        BundleNotFound: there is no such model; the message lists the others.
    """
    for root in model_roots():
        # Compared with the folder's entries, so that no name can lead out of it.
        if name in {folder.name for folder in _model_folders(root)}:
            return root / name
    names = ", ".join(list_models()) or "none"
    raise BundleNotFound(f"No model named {name!r}. Available: {names}.")


def _model_folders(root: Path) -> list[Path]:
    """Return the models' folders by name, without those that a first write left empty."""
    if not root.is_dir():
        return []
    return [
        folder
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and _has_visible_file(folder)
    ]


def _has_visible_file(folder: Path) -> bool:
    return any(path.is_file() and not path.name.startswith(".") for path in folder.iterdir())


def _open(folder: Path) -> Bundle:
    """Open a model's folder: the bundle in it, or its current version."""
    version = current_version(folder)
    if version is None:
        return open_bundle(folder, folder.name)
    if version not in {path.name for path in folder.iterdir() if path.is_dir()}:
        raise BundleDamaged(f"{folder / CURRENT_FILE} names {version!r}, which is missing.")
    return open_bundle(folder / version, folder.name)


def bundle_or_error(opener: Callable[..., Bundle], *args: object) -> Bundle | BundleError:
    """Return the bundle that ``opener`` opens, or the error that it raised."""
    try:
        return opener(*args)
    except BundleError as error:
        return error


def open_bundle(folder: Path, name: str) -> Bundle:
    """Open the bundle in a folder and check that it is the named model.

    Raises:
        BundleError: it cannot be opened, or is another model.
    """
    bundle = Bundle.open(folder)
    if bundle.name != name:
        raise BundleDamaged(
            f"{bundle.folder / MANIFEST} names the model {bundle.name!r}, but its folder is "
            f"{name!r}. Rename the folder."
        )
    return bundle


def current_version(folder: Path) -> str | None:
    """Return the current version of a model's folder; None if the folder has no versions."""
    current_file = folder / CURRENT_FILE
    if not current_file.is_file():
        return None
    return current_file.read_bytes()[:100].decode(errors="replace").strip()


def created(folder: Path) -> datetime:
    """Return when a bundle's ``bundle.json`` was written, UTC."""
    manifest = folder / MANIFEST
    try:
        seconds = (manifest if manifest.is_file() else folder).stat().st_mtime
    except OSError:  # `current` names a version that was removed
        seconds = 0
    return datetime.fromtimestamp(seconds, UTC)
