"""Versions of a model: published, listed and rolled back."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import BundleDamaged, BundleError, BundleNotFound
from ..storage.disk import fsync_path, hash_file, publish_folder, replace_atomically, replace_folder
from ..text import list_some
from . import registry
from .bundle import BUILTIN_DIR, MANIFEST, Bundle
from .bundle_samples import copy_samples
from .manifest import ManifestDraft
from .registry import created

VERSION = re.compile(r"[0-9a-f]{12}")


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


def publish(
    draft: ManifestDraft,
    models_dir: Path,
    write_files: Callable[[Path], ManifestDraft | None],
    *,
    samples_of: Bundle | None = None,
    is_candidate: bool = False,
) -> Bundle:
    """Write a bundle and move it into place once it is complete and verified.

    Args:
        models_dir: the folder for models. Versions stay side by side there; among the built-in
            models the folder is replaced, because git keeps the previous one.
        write_files: writes all other files into the folder that it is given. It may return a
            draft that replaces ``draft``, such as one with figures measured on the files.
        samples_of: a version of the model whose samples are copied.
        is_candidate: leave the model in use as it is; a built-in one is copied beside the version.

    Raises:
        BundleDamaged: what was written does not pass its own check.
    """
    models_dir = models_dir.resolve()
    is_builtin = models_dir == BUILTIN_DIR

    def fill(new: Path) -> Path:
        _write_manifest(write_files(new) or draft, new)
        bundle = Bundle.open(new)
        bundle.verify()
        if samples_of:
            copy_samples(samples_of, new)
        folder = models_dir / bundle.name
        return folder if is_builtin else folder / bundle.version

    def move(new: Path, target: Path) -> None:
        used = registry.current_version(target.parent) if is_candidate else target.name
        # A model of another folder has to be beside the new version, which would hide it.
        elsewhere = None
        if used is None:
            with suppress(BundleError):
                elsewhere = registry.get_bundle(target.parent.name)
        add_version(new, target)
        if elsewhere:
            used = _copy_builtin(elsewhere, target.parent).version
        set_current(target.parent, used or target.name)

    return Bundle.open(publish_folder(models_dir, fill, replace_folder if is_builtin else move))


def _write_manifest(draft: ManifestDraft, folder: Path) -> None:
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": hash_file(path)}
        for path in sorted(folder.iterdir())
    }
    manifest = {**draft.model_dump(mode="json", exclude_none=True), "files": files}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def add_version(new: Path, target: Path) -> None:
    """Move a new version beside the others of its model; ``set_current`` makes it the current one.

    Raises:
        OSError: it can't be moved.
    """
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


def set_current(folder: Path, version: str) -> None:
    """Make a version the current one, atomically: readers see it or the previous one."""
    with replace_atomically(folder / registry.CURRENT_FILE, durable=True) as temporary:
        temporary.write_text(version)


def hold_back(bundle: Bundle, *, is_held: bool) -> None:
    """Keep a model's current version, and no other, from opening first; or let it open first."""
    file = bundle.folder.parent / registry.HELD_FILE
    if not is_held:
        file.unlink(missing_ok=True)
    elif registry.current_version(file.parent) == bundle.version:
        with replace_atomically(file, durable=True) as temporary:
            temporary.write_text(bundle.version)


def list_versions(name: str) -> list[Version]:
    """Return all versions of a model, the newest first.

    A model whose folder has no versions, such as a built-in one, counts as one version. If a
    model of the same name is built in or deployed with the app, it is listed as well.

    Raises:
        BundleNotFound: there is no such model.
    """
    folder = registry.model_dir(name)
    current = registry.current_version(folder)
    if current is None:
        bundle = registry.bundle_or_error(registry.open_bundle, folder, name)
        version = bundle.version if isinstance(bundle, Bundle) else ""
        return [Version(version, created(folder), current=True, bundle=bundle)]
    versions = [
        Version(
            version,
            created(path),
            version == current,
            registry.bundle_or_error(registry.open_bundle, path, name),
        )
        for version, path in _version_folders(folder).items()
    ]
    # A backup keeps whole seconds, so versions made in one second come back with equal dates.
    return sorted(
        versions, key=lambda item: (item.created, item.current, item.version), reverse=True
    )


def open_version(name: str, version: str) -> Bundle:
    """Open any version of a model, whether current or previous.

    Raises:
        BundleNotFound: there is no such model or version.
        BundleError: it can't be opened.
    """
    versions = {item.version: item.bundle for item in list_versions(name)}
    message = f"{name} has no version {version!r}. Available: {list_some(list(versions))}."
    bundle = versions.get(version) or BundleNotFound(message)
    if isinstance(bundle, BundleError):
        raise bundle
    return bundle


def roll_back(name: str, version: str) -> Bundle:
    """Make a version of a model the current one, once all its hashes match.

    The next request for the model gets it: the current version is read each time.

    Raises:
        BundleNotFound: there is no such model or version.
        BundleError: the version cannot be opened; the current one stays.
    """
    folder = registry.model_dir(name)
    # Compared with the folder's entries, so that no version can lead out of it.
    folders = _version_folders(folder) if registry.current_version(folder) else {}
    if not folders:
        raise BundleNotFound(f"{name} has a single version, so there is none to roll back to.")
    if version not in folders:
        raise BundleNotFound(
            f"{name} has no version {version[:40]!r}. Available: {', '.join(sorted(folders))} "
            f"(python -m model versions {name})."
        )
    bundle = registry.open_bundle(folders[version], name)
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

    return registry.open_bundle(publish_folder(folder.parent, fill, Path.rename), bundle.name)


def _version_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of each version, then those of models that share the name."""
    # Links don't count, since they may lead elsewhere.
    folders = {
        path.name: path
        for path in folder.iterdir()
        if VERSION.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    }
    for other in (root / folder.name for root in registry.model_roots()):
        if other != folder and (other / MANIFEST).is_file():
            bundle = registry.bundle_or_error(registry.open_bundle, other, folder.name)
            if isinstance(bundle, Bundle):
                folders.setdefault(bundle.version, other)
    return folders
