"""A host's files: made, zipped, written to a folder and read back."""

import filecmp
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from model.bundle import MANIFEST, Manifest
from model.engine_info import ENGINES
from model.exporting import export_folder
from model.exporting.formats import export_models
from model.settings import ROOT
from model.storage.disk import hash_file, replace_atomically
from model.text import list_some

from .host import Host
from .spec import APP, AppSpec, DeployError, app_files, bundle_files, page_models
from .templates import COMMENT

RECORD = ".loupe-deploy.json"
"""The file that holds the SHA-256 of each file that ``write`` made, by path.

It tells files that may be replaced from those that were edited.
"""

LFS_ATTRIBUTES = "".join(
    f"*{Path(info.needs).suffix} filter=lfs diff=lfs merge=lfs -text\n"
    for info in ENGINES.values()
    if info.runs_in == "server"
)
"""The ``.gitattributes`` by which git keeps networks and weights in Git LFS."""

Content = bytes | Path
"""A file's bytes, or the path of a file to copy."""

WriteResult = Literal["written", "unchanged", "replaced"]

SETTING = re.compile(
    r"""\b(LOUPE_[A-Z_]+)["']?"""
    r"""(?:\s*[:=]|,?\s*"?value"?:)[ ]*"""
    r"""(?:"([^"\n]*)"|'([^'\n]*)'|([^\s,$]+))"""
)
"""A setting and its value, plain or in quotes.

The forms are ``NAME=value``, ``NAME: value``, and an entry of a list whose ``value`` follows.
"""


class FilesDiffer(DeployError, code="files-differ"):
    """A file to be written exists already, with different content."""


def default_folder(host: Host) -> Path:
    """Return the folder of the host's files: the repository, or a separate one below build/."""
    return ROOT if host.package == "repository" else ROOT / "build" / host.name


def _list_contents(host: Host, app: AppSpec, values: Mapping[str, str]) -> dict[str, Content]:
    """Return the contents of everything that is written, by path."""
    files: dict[str, Content] = dict(app_files(app)) if host.package == "folder" else {}
    files |= {path: text.encode() for path, text in host.make_files(app, values).items()}
    if app.git_lfs and host.github:
        files[f"{app.bundles_dir}/.gitattributes"] = LFS_ATTRIBUTES.encode()
    files |= {f"{app.bundles_dir}/{path}": file for path, file in bundle_files(app).items()}
    return files


def zip_files(host: Host, app: AppSpec = APP, values: Mapping[str, str] = {}) -> bytes:
    """Return the files of ``write_files`` as a zip.

    Raises:
        BundleError: a model can't be opened, or is damaged.
        EngineUnavailable: this machine can't make the files for browsers.
    """
    with TemporaryDirectory(prefix="loupe-") as temporary:
        folder = Path(temporary) / "files"
        write_files(host, folder, app, values)
        (folder / RECORD).unlink(missing_ok=True)
        return Path(shutil.make_archive(str(folder), "zip", folder)).read_bytes()


def write_files(
    host: Host,
    folder: Path,
    app: AppSpec = APP,
    values: Mapping[str, str] = {},
    *,
    force: bool = False,
) -> dict[Path, str]:
    """Write the host's files and models below a folder, and return the outcome for each file.

    Each file is written completely or not at all. Another version of a model is replaced, and so
    is a file that is unchanged since an earlier call; with ``force``, so are edited files.

    Raises:
        BundleError: a model can't be opened, or is damaged.
        EngineUnavailable: this machine can't make the files for browsers.
        FilesDiffer: a file was edited, or not made by ``write``, or a folder with the name of a
            model is none, and ``force`` is false; or a link or file has the name of a model.
            Nothing is written.
        FolderExists: the folder for a page holds something else.
    """
    if not host.has_server:
        return {folder: _write_page(app, folder, force=force)}
    contents = {folder / path: file for path, file in _list_contents(host, app, values).items()}
    models = [folder / app.bundles_dir / name for name in app.own]
    if links := [str(model) for model in models if model.is_symlink() or model.is_file()]:
        raise FilesDiffer(f"{list_some(links)}: not a folder, so nothing is written. Remove it.")
    if not force and (others := [str(model) for model in models if not _may_hold_model(model)]):
        raise _make_error(others, "has other files, which would be deleted")
    results: dict[Path, str] = {path: _compare(path, file) for path, file in contents.items()}
    replaced = [path for path, result in results.items() if result == "replaced"]
    outside = [path for path in replaced if path.parent not in models]
    if not force and (edited := _find_edited(folder, outside)):
        verb = "differs" if len(edited) == 1 else "differ"
        raise _make_error(edited, f"{verb} from what would be written")
    for path, content in contents.items():
        if results[path] != "unchanged":
            _write(path, content)
    # Files of another version that was there before don't fit this one.
    for manifest in {model / MANIFEST for model in models} & set(replaced):
        for path in set(manifest.parent.iterdir()) - contents.keys():
            if path.is_file():
                path.unlink()
    _update_record(folder, contents)
    return results


def _find_edited(folder: Path, paths: Iterable[Path]) -> list[str]:
    """Return the paths of files below a folder that differ from its record."""
    record = read_record(folder)
    names = {str(path): path.relative_to(folder).as_posix() for path in paths}
    return [path for path, name in names.items() if record.get(name) != hash_file(Path(path))]


def _make_error(paths: Sequence[str], reason: str) -> FilesDiffer:
    advice = "Choose another folder with --to, or replace with --force."
    return FilesDiffer(f"{list_some(paths)} {reason}. {advice}")


def _write_page(app: AppSpec, folder: Path, *, force: bool) -> str:
    """Write the page for static hosts and return the outcome."""
    before = (export_folder.read_record(folder) or {"files": {}})["files"]
    edited = find_changed(folder, before)
    if edited and not force:
        verb = "was" if len(edited) == 1 else "were"
        raise _make_error(edited, f"in {folder} {verb} edited or removed")
    export = export_models(page_models(app), "web", folder)
    size = f"{len(export.files)} files, {sum(export.files.values()) / 1e6:.1f} MB"
    after = (export_folder.read_record(folder) or {"files": {}})["files"]
    what = "written"
    if before:
        what = "replaced" if edited or before != after else "unchanged"
    return f"{what}, {size}. {export.checks[0]}"


def find_changed(folder: Path, hashes: Mapping[str, str]) -> list[str]:
    """Return the files of a page that are missing or don't match their SHA-256."""

    def matches(path: Path, digest: str) -> bool:
        try:
            return hash_file(path) == digest
        except OSError:
            return False

    return [path for path, digest in hashes.items() if not matches(folder / path, digest)]


def _may_hold_model(folder: Path) -> bool:
    """Return whether a folder holds a model, even a damaged one, or nothing yet."""
    if not folder.exists() or not any(folder.iterdir()):
        return True
    try:
        Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _write(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path, durable=True) as temporary:
        if isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            # With its date: the newest model opens by default.
            shutil.copy2(content, temporary)
        if path.suffix == ".sh":
            temporary.chmod(0o755)


def read_record(folder: Path) -> dict[str, str]:
    """Return the recorded hashes by path; none if there is no record or it can't be read."""
    try:
        document = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _update_record(folder: Path, paths: Iterable[Path]) -> None:
    """Add files below a folder to its record, as they are now."""
    before = read_record(folder)
    after = before | {path.relative_to(folder).as_posix(): hash_file(path) for path in paths}
    if after != before:
        with replace_atomically(folder / RECORD, durable=True) as temporary:
            temporary.write_text(json.dumps(after, indent=1, sort_keys=True) + "\n")


def _compare(path: Path, content: Content) -> WriteResult:
    if not path.exists():
        return "written"
    if isinstance(content, bytes):
        is_same = path.read_bytes() == content
    else:
        is_same = filecmp.cmp(content, path, shallow=False)
    return "unchanged" if is_same else "replaced"


def read_files(host: Host, folder: Path) -> dict[str, str]:
    """Return the host's files that exist below ``folder``.

    Raises:
        DeployError: one of them is not UTF-8 text.
    """
    texts = {}
    for path in host.make_files():
        try:
            texts[path] = (folder / path).read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except UnicodeDecodeError as error:
            raise DeployError(f"{path} can't be read: it is not UTF-8 text.") from error
    return texts


def read_settings(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the app's settings in a host's files, whatever their format, without secrets."""
    plain = (COMMENT.sub("", text) for text in texts.values())
    matches = (match for text in plain for match in SETTING.finditer(text))
    values = {match[1]: match[2] or match[3] or match[4] or "" for match in matches}
    return {name: value for name, value in values.items() if name not in APP.secrets}
