"""A host's files: made, zipped, written to a folder and read back."""

import filecmp
import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from model.bundle import MANIFEST, Manifest
from model.exporting.export_folder import list_files
from model.settings import ROOT
from model.storage.disk import hash_file, replace_atomically
from model.text import list_some

from .errors import DeployError, FilesDiffer
from .host import Host
from .package import LFS_ATTRIBUTES, app_files, bundle_files
from .placeholders import COMMENT
from .spec import APP, AppSpec
from .static_page import write_page

RECORD = ".loupe-deploy.json"
"""The file that holds the SHA-256 of each file that ``write`` made, by path.

It tells files that may be replaced from those that were edited.
"""

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
Content = bytes | Path
"""A file's bytes, or the path of a file to copy."""

SETTING = re.compile(
    r"""\b(LOUPE_[A-Z_]+)["']?"""
    r"""(?:\s*[:=]|,?\s*"?value"?:)[ ]*"""
    r"""(?:"([^"\n]*)"|'([^'\n]*)'|([^\s,$]+))"""
)
"""A setting and its value, plain or in quotes.

The forms are ``NAME=value``, ``NAME: value``, and an entry of a list whose ``value`` follows.
"""


class WriteResult(StrEnum):
    """The outcome of writing a file."""

    NEW = "written"
    SAME = "unchanged"
    REPLACED = "replaced"


def default_folder(host: Host) -> Path:
    """Return the folder of the host's files: the repository, or a separate one below build/."""
    return ROOT if host.package == "repository" else ROOT / "build" / host.name


def _list_files(host: Host, app: AppSpec, values: Mapping[str, str]) -> dict[str, Content]:
    """Return the contents of everything that is written, by path."""
    files: dict[str, Content] = dict(app_files(app)) if host.package == "folder" else {}
    files |= {path: text.encode() for path, text in host.make_files(app, values).items()}
    if app.git_lfs and host.github:
        files[f"{app.bundles_dir}/.gitattributes"] = LFS_ATTRIBUTES.encode()
    files |= {f"{app.bundles_dir}/{path}": file for path, file in bundle_files(app).items()}
    return files


def zip_files(host: Host, app: AppSpec = APP, values: Mapping[str, str] = {}) -> bytes:
    """Return the files of ``write_files`` as a zip; the same content gives the same bytes.

    Args:
        host: the host.
        app: the app with the models to deploy.
        values: values by placeholder; the others are left.

    Raises:
        BundleError: a model can't be opened, or is damaged.
        EngineUnavailable: this machine can't make the files for browsers.
    """
    if not host.has_server:
        with TemporaryDirectory(prefix="loupe-") as temporary:
            folder = Path(temporary) / "page"
            write_page(app, folder)
            return _zip({path: folder / path for path in list_files(folder)})
    return _zip(_list_files(host, app, values))


def _zip(files: Mapping[str, Content]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, ZIP_EPOCH)
            entry.external_attr = (0o755 if path.endswith(".sh") else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            with (
                archive.open(entry, "w") as target,
                io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source,
            ):
                # Piece by piece, because a network may be large.
                shutil.copyfileobj(source, target)
    return buffer.getvalue()


def write_files(
    host: Host,
    folder: Path | None = None,
    app: AppSpec = APP,
    values: Mapping[str, str] = {},
    *,
    force: bool = False,
) -> dict[Path, str]:
    """Write the host's files and models below a folder, and return the outcome for each file.

    Each file is written completely or not at all. Another version of a model is replaced, and so
    is a file that is unchanged since an earlier call.

    Args:
        host: the host.
        folder: by default ``default_folder(host)``.
        app: the app with the models to deploy.
        values: values by placeholder; the others are left.
        force: replace files that were edited as well.

    Raises:
        BundleError: a model can't be opened, or is damaged.
        EngineUnavailable: this machine can't make the files for browsers.
        FilesDiffer: a file was edited, or not made by ``write``, or a folder with the name of a
            model is none, and ``force`` is false; or a link or file has the name of a model.
            Nothing is written.
    """
    folder = default_folder(host) if folder is None else folder
    if not host.has_server:
        return {folder: write_page(app, folder, force=force)}
    contents = {folder / path: file for path, file in _list_files(host, app, values).items()}
    models = [folder / app.bundles_dir / name for name in app.own]
    if links := [str(model) for model in models if model.is_symlink() or model.is_file()]:
        raise FilesDiffer(f"{list_some(links)}: not a folder, so nothing is written. Remove it.")
    if not force and (others := [str(model) for model in models if not _may_hold_model(model)]):
        raise FilesDiffer(
            f"{list_some(others)} has other files, which would be deleted. Choose another folder "
            "with --to, or replace with --force."
        )
    results: dict[Path, str] = {path: _compare(path, file) for path, file in contents.items()}
    replaced = [path for path, result in results.items() if result is WriteResult.REPLACED]
    outside = [path for path in replaced if path.parent not in models]
    if not force and (edited := _find_edited(folder, outside)):
        verb = "differs" if len(edited) == 1 else "differ"
        raise FilesDiffer(
            f"{list_some(edited)} {verb} from what would be written. Choose another folder "
            "with --to, or replace with --force."
        )
    for path, content in contents.items():
        if results[path] is not WriteResult.SAME:
            _write(path, content)
    # Files of another version that was there before don't fit this one.
    for manifest in {model / MANIFEST for model in models} & set(replaced):
        for path in set(manifest.parent.iterdir()) - contents.keys():
            if path.is_file():
                path.unlink()
    _update_record(folder, contents)
    return results


def _may_hold_model(folder: Path) -> bool:
    """Return whether a folder holds a model, even a damaged one, or nothing yet."""
    if not folder.exists() or not any(folder.iterdir()):
        return True
    try:
        Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _find_edited(folder: Path, paths: Iterable[Path]) -> list[str]:
    """Return the paths of files below a folder that differ from its record."""
    record = read_record(folder)
    names = {str(path): path.relative_to(folder).as_posix() for path in paths}
    return [path for path, name in names.items() if record.get(name) != hash_file(Path(path))]


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
        return WriteResult.NEW
    if isinstance(content, bytes):
        is_same = path.read_bytes() == content
    else:
        is_same = filecmp.cmp(content, path, shallow=False)
    return WriteResult.SAME if is_same else WriteResult.REPLACED


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
