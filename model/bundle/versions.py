"""The versions of a model that stand beside each other, and the way back to one of them."""

import re
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import BundleDamaged, BundleError, BundleNotFound
from .bundle import BUILTIN_DIR, MANIFEST, Bundle
from .registry import current_version, model_dir, open_bundle, set_current

__all__ = ["Version", "roll_back", "versions"]

VERSION = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a model: the bundle, or why it is refused.

    ``made`` is when its ``bundle.json`` was written, UTC; ``current`` marks the one
    that answers.
    """

    version: str
    made: datetime
    current: bool
    found: Bundle | BundleError


def versions(name: str) -> list[Version]:
    """All versions of a model, the newest first.

    A model that is a folder without versions, as those that ship, has one. One of the
    owner's with the name of one that ships has that, too.

    Raises:
        BundleNotFound: there is no model of that name.
    """
    folder = model_dir(name)
    current = current_version(folder)
    if current is None:
        found = _opened(folder, name)
        version = found.version if isinstance(found, Bundle) else ""
        return [Version(version, _made(folder), current=True, found=found)]
    listed = [
        Version(version, _made(path), version == current, _opened(path, name))
        for version, path in _places(folder).items()
    ]
    return sorted(listed, key=lambda one: (one.made, one.version), reverse=True)


def roll_back(name: str, version: str) -> Bundle:
    """Make a version of a model the current one, once every file of it is as hashed.

    Whoever asks for the model next gets it: the pointer is read each time.

    Raises:
        BundleNotFound: there is no such model or version.
        BundleError: the version is refused; the current one stays.
    """
    folder = model_dir(name)
    # Compared with the names in the folder, so that no version can leave it.
    listed = _places(folder) if current_version(folder) else {}
    if version not in listed:
        raise BundleNotFound(_missing(name, version, listed))
    bundle = open_bundle(listed[version], name)
    if bundle.version != version:
        raise BundleDamaged(
            f"{bundle.folder / MANIFEST} was changed after the model was made: its hash is now "
            f"{bundle.version}. Import or build the model again."
        )
    bundle.verify()
    if bundle.folder.parent != folder:
        bundle = _copied(bundle, folder)
    set_current(folder, version)
    return bundle


def _copied(bundle: Bundle, folder: Path) -> Bundle:
    """A bundle that ships, beside the owner's versions of it."""
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        for name in (MANIFEST, *bundle.manifest.files):
            shutil.copyfile(bundle.folder / name, new / name)
        new.chmod(0o755)
        new.rename(folder / bundle.version)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return open_bundle(folder / bundle.version, bundle.name)


def _missing(name: str, version: str, listed: dict[str, Path]) -> str:
    if not listed:
        return f"{name} has no versions beside each other, so there is none to go back to."
    return (
        f"{name} has no version {version[:40]!r}. Versions here: {', '.join(sorted(listed))} "
        f"(python -m model versions {name})."
    )


def _places(folder: Path) -> dict[str, Path]:
    """Where each version is; the one that ships under the same name comes last."""
    found = {path.name: path for path in _folders(folder)}
    ships = BUILTIN_DIR / folder.name
    if (ships / MANIFEST).is_file():
        bundle = _opened(ships, folder.name)
        if isinstance(bundle, Bundle):
            found.setdefault(bundle.version, ships)
    return found


def _folders(folder: Path) -> list[Path]:
    """The folders of versions; links are none, since they may lead elsewhere."""
    return [
        path
        for path in folder.iterdir()
        if VERSION.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    ]


def _opened(folder: Path, name: str) -> Bundle | BundleError:
    try:
        return open_bundle(folder, name)
    except BundleError as error:
        return error


def _made(folder: Path) -> datetime:
    manifest = folder / MANIFEST
    seconds = (manifest if manifest.is_file() else folder).stat().st_mtime
    return datetime.fromtimestamp(seconds, UTC)
