"""The page for static hosts, with the models to deploy."""

from collections.abc import Mapping
from pathlib import Path

from model.bundle import BUILTIN_DIR, DEFAULT_MODEL, MANIFEST, Bundle, get_bundle
from model.exporting.export_folder import read_record
from model.exporting.formats import export_models
from model.storage.disk import hash_file
from model.text import list_some

from .errors import FilesDiffer
from .spec import AppSpec


def write_page(app: AppSpec, folder: Path, *, force: bool = False) -> str:
    """Write the page with the app's models and return the outcome.

    Raises:
        FilesDiffer: a file was edited since it was written, and ``force`` is false.
        FolderExists: the folder holds something else.
        EngineUnavailable: the files for browsers can't be made on this machine.
        BundleError: a model can't be opened, or is damaged.
    """
    before = (read_record(folder) or {"files": {}})["files"]
    edited = find_changed(folder, before)
    if edited and not force:
        verb = "was" if len(edited) == 1 else "were"
        raise FilesDiffer(
            f"{list_some(edited)} in {folder} {verb} edited or removed. Choose another folder with "
            "--to, or replace with --force."
        )
    export = export_models(page_models(app), "web", folder)
    size = f"{len(export.files)} files, {sum(export.files.values()) / 1e6:.1f} MB"
    after = (read_record(folder) or {"files": {}})["files"]
    what = "written"
    if before:
        what = "replaced" if edited or before != after else "unchanged"
    return f"{what}, {size}. {export.checks[0]}"


def page_models(app: AppSpec) -> list[Bundle]:
    """Return the models of the app, the one that opens first."""
    builtin = sorted(path.parent.name for path in BUILTIN_DIR.glob(f"*/{MANIFEST}"))
    return [get_bundle(name) for name in app.models or dict.fromkeys([DEFAULT_MODEL, *builtin])]


def find_changed(folder: Path, hashes: Mapping[str, str]) -> list[str]:
    """Return the files that are missing or don't match their SHA-256."""
    return [path for path, digest in hashes.items() if not _matches(folder / path, digest)]


def _matches(path: Path, digest: str) -> bool:
    try:
        return hash_file(path) == digest
    except OSError:
        return False
