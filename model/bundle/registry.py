"""The model registry: the owner's models, built-in models, their versions.

A model in the data folder is a folder with its versions side by side and a file that names the
current one. A model that is deployed with the app, or built in, is one folder, because git keeps
its previous versions.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from ..errors import BundleDamaged, BundleError, BundleNotFound
from ..settings import settings
from ..storage.atomic import fsync_path, publish_folder, replace_atomically, replace_folder
from .bundle import BUILTIN_DIR, MANIFEST, Bundle
from .manifest import ManifestDraft

__all__ = [
    "CURRENT_FILE",
    "DEFAULT_MODEL",
    "Fingerprint",
    "Version",
    "current_version",
    "default_models",
    "fingerprint",
    "get_bundle",
    "list_models",
    "list_versions",
    "model_dir",
    "open_bundle",
    "publish",
    "roll_back",
    "set_current",
]

FOLDER_NAME = re.compile(r"[^/\\\0]+")
VERSION = re.compile(r"[0-9a-f]{12}")

Fingerprint = tuple[tuple[str, int, int, int] | None, ...]

DEFAULT_MODEL = "imagenet"
"""The built-in model that opens where the owner has none."""

CURRENT_FILE = "current"
"""The file beside a model's versions that names the current one."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a model: its bundle, or the error that opening it raised.

    ``created`` is when its ``bundle.json`` was written, UTC; ``current`` marks the version
    in use.
    """

    version: str
    created: datetime
    current: bool
    bundle: Bundle | BundleError


def _model_roots() -> list[Path]:
    """Return the folders that hold models, the owner's first."""
    return [*_own_roots(), *([BUILTIN_DIR] if settings().builtin else [])]


def _own_roots() -> list[Path]:
    return [settings().data / "models", settings().bundles]


def default_models() -> list[str]:
    """Return the models to open by default, the most wanted first.

    That is the one in the settings, or else the owner's models, the newest first, and then the
    built-in one. Nothing is read but dates: one may turn out to be damaged.
    """
    if settings().model:
        return [settings().model]
    own = _newest_first(tuple((root, _subfolder_times(root)) for root in _own_roots()))
    has_builtin = settings().builtin and DEFAULT_MODEL not in own
    return [*own, DEFAULT_MODEL] if has_builtin else list(own)


FolderTimes = tuple[tuple[str, int], ...]


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
def _newest_first(roots: tuple[tuple[Path, FolderTimes], ...]) -> tuple[str, ...]:
    """Return the names of the models in these folders, the newest first."""
    created: dict[str, float] = {}
    for root, _ in roots:
        for folder in _model_folders(root):
            created.setdefault(folder.name, _created(_current_dir(folder)).timestamp())
    return tuple(sorted(created, key=lambda name: (-created[name], name)))


def list_models() -> dict[str, Bundle | BundleError]:
    """Return every model by name, or the error that opening it raised."""
    models: dict[str, Bundle | BundleError] = {}
    for root in _model_roots():
        for folder in _model_folders(root):
            if folder.name not in models:
                models[folder.name] = _bundle_or_error(_open, folder)
    return models


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
    folders = [root / name for root in _model_roots()] if FOLDER_NAME.fullmatch(name) else []
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
    for root in _model_roots():
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


def _bundle_or_error(opener: Callable[..., Bundle], *args: object) -> Bundle | BundleError:
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


def _current_dir(folder: Path) -> Path:
    """Return the folder of a model's current version, whether or not it exists."""
    return folder / (current_version(folder) or "")


def current_version(folder: Path) -> str | None:
    """Return the current version of a model's folder; None if the folder has no versions."""
    current_file = folder / CURRENT_FILE
    if not current_file.is_file():
        return None
    return current_file.read_bytes()[:100].decode(errors="replace").strip()


def publish(
    draft: ManifestDraft,
    models_dir: Path,
    write_files: Callable[[Path], ManifestDraft | None],
) -> Bundle:
    """Write a bundle and move it into place once it is complete and verified.

    Args:
        draft: the manifest without its files.
        models_dir: the folder for models. Versions stay side by side there; among the built-in
            models the folder is replaced, because git keeps the previous one.
        write_files: writes all other files into the folder that it is given. It may return a
            draft that replaces ``draft``, such as one with figures measured on the files.

    Raises:
        BundleDamaged: what was written does not pass its own check.
    """
    models_dir = models_dir.resolve()
    is_builtin = models_dir == BUILTIN_DIR

    def fill(new: Path) -> Path:
        _write_manifest(write_files(new) or draft, new)
        bundle = Bundle.open(new)
        bundle.verify()
        folder = models_dir / bundle.name
        return folder if is_builtin else folder / bundle.version

    return Bundle.open(
        publish_folder(models_dir, fill, replace_folder if is_builtin else _add_version)
    )


def _write_manifest(draft: ManifestDraft, folder: Path) -> None:
    files = {
        path.name: {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.iterdir())
    }
    manifest = {**draft.model_dump(mode="json", exclude_none=True), "files": files}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _add_version(new: Path, target: Path) -> None:
    """Move a new version beside the others of its model, and make it the current one."""
    target.parent.mkdir(exist_ok=True)
    try:
        new.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        # The same version again, perhaps because a file was damaged. Each file is replaced by
        # itself, so that readers always have a complete folder, even after a kill. The manifest
        # is last, because what failed is tried again once that changes.
        for path in sorted(new.iterdir(), key=lambda path: path.name == MANIFEST):
            path.replace(target / path.name)
        fsync_path(target)
    set_current(target.parent, target.name)


def set_current(folder: Path, version: str) -> None:
    """Make a version the current one, atomically: readers see it or the previous one."""
    with replace_atomically(folder / CURRENT_FILE, durable=True) as temporary:
        temporary.write_text(version)


def list_versions(name: str) -> list[Version]:
    """Return all versions of a model, the newest first.

    A model whose folder has no versions, such as a built-in one, counts as one version. If a
    model of the same name is built in or deployed with the app, it is listed as well.

    Raises:
        BundleNotFound: there is no such model.
    """
    folder = model_dir(name)
    current = current_version(folder)
    if current is None:
        bundle = _bundle_or_error(open_bundle, folder, name)
        version = bundle.version if isinstance(bundle, Bundle) else ""
        return [Version(version, _created(folder), current=True, bundle=bundle)]
    versions = [
        Version(
            version,
            _created(path),
            version == current,
            _bundle_or_error(open_bundle, path, name),
        )
        for version, path in _version_folders(folder).items()
    ]
    # A backup keeps whole seconds, so versions made in one second come back with equal dates.
    return sorted(
        versions, key=lambda item: (item.created, item.current, item.version), reverse=True
    )


def roll_back(name: str, version: str) -> Bundle:
    """Make a version of a model the current one, once all its hashes match.

    The next request for the model gets it: the current version is read each time.

    Raises:
        BundleNotFound: there is no such model or version.
        BundleError: the version cannot be opened; the current one stays.
    """
    folder = model_dir(name)
    # Compared with the folder's entries, so that no version can lead out of it.
    folders = _version_folders(folder) if current_version(folder) else {}
    if not folders:
        raise BundleNotFound(f"{name} has a single version, so there is none to roll back to.")
    if version not in folders:
        raise BundleNotFound(
            f"{name} has no version {version[:40]!r}. Available: {', '.join(sorted(folders))} "
            f"(python -m model versions {name})."
        )
    bundle = open_bundle(folders[version], name)
    if bundle.version != version:
        raise BundleDamaged(
            f"{bundle.folder / MANIFEST} was changed after the model was created: its version "
            f"is now {bundle.version}. Import or build the model again."
        )
    bundle.verify()
    if bundle.folder.parent != folder:
        bundle = _copy_builtin(bundle, folder)
    set_current(folder, version)
    return bundle


def _copy_builtin(bundle: Bundle, folder: Path) -> Bundle:
    """Copy a built-in bundle beside the owner's versions of it, dates included."""

    def fill(new: Path) -> Path:
        for name in bundle.copied_names:
            shutil.copy2(bundle.folder / name, new / name)
        return folder / bundle.version

    return open_bundle(publish_folder(folder.parent, fill, Path.rename), bundle.name)


def _version_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of each version, then those of models that share the name."""
    # Links don't count, since they may lead elsewhere.
    folders = {
        path.name: path
        for path in folder.iterdir()
        if VERSION.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    }
    for other in (root / folder.name for root in _model_roots()):
        if other != folder and (other / MANIFEST).is_file():
            bundle = _bundle_or_error(open_bundle, other, folder.name)
            if isinstance(bundle, Bundle):
                folders.setdefault(bundle.version, other)
    return folders


def _created(folder: Path) -> datetime:
    manifest = folder / MANIFEST
    try:
        seconds = (manifest if manifest.is_file() else folder).stat().st_mtime
    except OSError:  # `current` names a version that was removed
        seconds = 0
    return datetime.fromtimestamp(seconds, UTC)
