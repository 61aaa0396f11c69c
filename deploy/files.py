"""A host's files: made, zipped, written to a folder and read back."""

import io
import json
import re
import shlex
import shutil
import tomllib
import zipfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from model.atomic import replace_atomically
from model.bundle import BUILTIN_DIR, get_bundle
from model.exporting.export_folder import list_files
from model.settings import ROOT
from model.text import list_some

from .errors import FilesDiffer, Unreadable
from .host import ARCHIVE, Host
from .package import (
    LFS_ATTRIBUTES,
    app_files,
    bundle_files,
    check_offered,
    copy_bundle,
    make_archive,
)
from .placeholders import fill
from .record import is_as_written, read_record, update_record
from .spec import APP, AppSpec
from .static_page import write_page

__all__ = [
    "WriteResult",
    "default_folder",
    "get_value",
    "make_files",
    "nested_files",
    "parse_files",
    "parse_memory_mb",
    "parse_variables",
    "read_files",
    "write_files",
    "zip_files",
]

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
Content = bytes | Path
"""What a file will hold: bytes, or a file to copy."""


class WriteResult(StrEnum):
    """What happened to a file."""

    NEW = "written"
    SAME = "unchanged"
    REPLACED = "replaced"


def make_files(
    host: Host, app: AppSpec = APP, values: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the host's files by their paths, made from the app's description.

    Args:
        host: the host.
        app: the app with the models to deploy.
        values: what to put for placeholders; the others are left.
    """
    return {path: fill(text, values or {}) for path, text in host.make_files(app).items()}


def default_folder(host: Host) -> Path:
    """Return where the host's files go: the repository, or a folder of its own below build/."""
    return ROOT / "build" / host.name if host.package in ("folder", "page") else ROOT


def _list_files(
    host: Host, app: AppSpec, values: Mapping[str, str] | None, *, models: bool = True
) -> dict[str, Content]:
    """Return everything that is written, by path, except models that stay bundles.

    Without ``models`` there are no networks at all, built-in ones included.
    """
    files: dict[str, Content] = {}
    if host.package == "folder":
        files |= {
            path: file
            for path, file in app_files(app).items()
            if models or not file.is_relative_to(BUILTIN_DIR)
        }
    files |= {path: text.encode() for path, text in make_files(host, app, values).items()}
    if host.package == "archive" and app.own and models:
        files[f"{host.name}/{ARCHIVE}"] = make_archive(app)
    if app.git_lfs and host.github:
        files[f"{app.bundles_dir}/.gitattributes"] = LFS_ATTRIBUTES.encode()
    return files


def zip_files(
    host: Host,
    app: AppSpec = APP,
    values: Mapping[str, str] | None = None,
    *,
    models: bool = True,
) -> bytes:
    """Return as a zip what ``write_files`` writes; the same content gives the same bytes.

    Args:
        host: the host.
        app: the app with the models to deploy.
        values: what to put for placeholders; the others are left.
        models: whether the models are in it; a static page always needs them.

    Raises:
        BundleError: a model can't be opened, or is damaged.
        EngineUnavailable: this machine can't make the files for browsers.
        NotOffered: the host can't run it.
    """
    check_offered(host, app)
    if not host.has_server:
        with TemporaryDirectory(prefix="loupe-") as temporary:
            folder = Path(temporary) / "page"
            write_page(app, folder)
            return _zip({path: folder / path for path in list_files(folder)})
    files = _list_files(host, app, values, models=models)
    if host.package != "archive" and models:
        files |= {f"{app.bundles_dir}/{path}": file for path, file in bundle_files(app).items()}
    return _zip(files)


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
    values: Mapping[str, str] | None = None,
    *,
    force: bool = False,
) -> dict[Path, str]:
    """Write the host's files and models below a folder, and return what happened to each.

    Each file and each model is written completely or not at all. Another version of a model is
    replaced, and so is a file that still is as an earlier call made it.

    Args:
        host: the host.
        folder: by default ``default_folder(host)``.
        app: the app with the models to deploy.
        values: what to put for placeholders; the others are left.
        force: replace files that were edited as well.

    Raises:
        BundleError: a model can't be opened, or is damaged.
        EngineUnavailable: this machine can't make the files for browsers.
        FilesDiffer: a file was edited, or not made by ``write``, and ``force`` is false; nothing
            is written.
        NotOffered: the host can't run it.
    """
    check_offered(host, app)
    folder = default_folder(host) if folder is None else folder
    if not host.has_server:
        return {folder: write_page(app, folder, force=force)}
    contents = {folder / path: file for path, file in _list_files(host, app, values).items()}
    results: dict[Path, str] = {path: _compare(path, file) for path, file in contents.items()}
    archive, record = folder / f"{host.name}/{ARCHIVE}", read_record(folder)
    different = [
        str(path)
        for path, result in results.items()
        if result is WriteResult.REPLACED
        and path != archive
        and not is_as_written(record, folder, path.relative_to(folder).as_posix())
    ]
    if different and not force:
        verb = "differs" if len(different) == 1 else "differ"
        raise FilesDiffer(
            f"{list_some(different)} {verb} from what would be written. Choose another folder "
            "with --to, or replace with --force."
        )
    if host.package != "archive":
        models = folder / app.bundles_dir
        for bundle in map(get_bundle, app.own):
            results[models / bundle.name] = copy_bundle(bundle, models, app, force=force)
    for path, content in contents.items():
        if results[path] is not WriteResult.SAME:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replace_atomically(path, durable=True) as temporary:
                if isinstance(content, bytes):
                    temporary.write_bytes(content)
                else:
                    shutil.copy(content, temporary)
                if path.suffix == ".sh":
                    temporary.chmod(0o755)
    update_record(folder, contents)
    return results


def _compare(path: Path, content: Content) -> WriteResult:
    if not path.exists():
        return WriteResult.NEW
    if not isinstance(content, bytes):
        content = content.read_bytes()
    return WriteResult.SAME if path.read_bytes() == content else WriteResult.REPLACED


def read_files(host: Host, folder: Path | None = None) -> dict[str, str]:
    """Return those of the host's files that exist below ``folder``.

    Args:
        host: the host.
        folder: by default ``default_folder(host)``.

    Raises:
        Unreadable: one of them is not UTF-8 text.
    """
    texts = {}
    for path in make_files(host):
        try:
            texts[path] = ((folder or default_folder(host)) / path).read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except UnicodeDecodeError as error:
            raise Unreadable(f"{path} can't be read: it is not UTF-8 text.") from error
    return texts


def parse_files(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return each file parsed, with the files that cloud-init writes under their own paths.

    Raises:
        Unreadable: a file is not what its name says.
    """
    return {path: _parse(path, text) for path, text in (dict(texts) | nested_files(texts)).items()}


def nested_files(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the files inside cloud-init's user data, by path.

    Raises:
        Unreadable: the user data is not YAML.
    """
    nested = {}
    for path, text in texts.items():
        if text.startswith("#cloud-config"):
            document = _parse(path, text)
            entries = document.get("write_files") if isinstance(document, dict) else None
            for entry in entries or ():
                if isinstance(entry, dict):
                    nested[str(entry.get("path"))] = str(entry.get("content", ""))
    return nested


def _parse(path: str, text: str) -> Any:
    """Parse a file by its extension; a Caddyfile stays text."""
    try:
        match PurePosixPath(path.removesuffix(".example")).suffix:
            case ".yaml" | ".yml":
                return yaml.safe_load(text)
            case ".json":
                return json.loads(text)
            case ".toml":
                return tomllib.loads(text)
            case ".service":
                return _parse_unit(text)
            case ".md" if text.startswith("---\n"):  # front matter
                return yaml.safe_load(re.split(r"^---\n", text, flags=re.MULTILINE)[1])
            case _:
                return text
    except (yaml.YAMLError, ValueError, IndexError) as error:
        raise Unreadable(f"{path} can't be read: {error}") from error


def _parse_unit(text: str) -> dict[str, Any]:
    """Return a unit's directives; ``Environment`` becomes a mapping.

    Sections are dropped, since no directive that is read occurs in two sections.
    """
    lines = [line for line in text.splitlines() if "=" in line and line[0] not in "#;"]
    directives = [line.split("=", 1) for line in lines]
    # Of the directives that are read, only Environment may be repeated.
    variables = shlex.split(" ".join(value for name, value in directives if name == "Environment"))
    environment = dict(variable.split("=", 1) for variable in variables)
    return {**dict(directives), "Environment": environment}


def get_value(documents: Mapping[str, Any], file: str, path: str | None) -> Any:
    """Return the value at ``path`` in a parsed file, or None if there is none.

    Args:
        documents: parsed files by path.
        file: the file's path.
        path: keys and indices joined by dots, empty for the whole file, None for nothing.
    """
    if path is None:
        return None
    value: Any = documents.get(file)
    for key in filter(None, path.split(".")):
        try:
            value = value[int(key) if isinstance(value, list) else key]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def parse_variables(value: Any) -> dict[str, str]:
    """Return environment variables from any form in which manifests list them.

    Variables that the host generates itself (``generateValue``) have no value and are left out.
    """
    if isinstance(value, list):
        value = {entry.get("name", entry.get("key")): entry for entry in value}
    variables = {}
    for name, entry in (value or {}).items():
        if not isinstance(entry, dict):
            variables[str(name)] = str(entry)
        elif "value" in entry:
            variables[str(name)] = str(entry["value"])
    return variables


def parse_memory_mb(value: Any) -> int:
    """Return ``512``, ``512mb``, ``1024M``, ``1Gi`` and the like in MB.

    Raises:
        Unreadable: it is not an amount of memory.
    """
    text = str(value).strip().lower()
    number = text.rstrip("gmkib")
    scale = {"k": 1 / 1024, "g": 1024}.get(text.removeprefix(number)[:1], 1)
    try:
        return int(float(number) * scale)
    except (ValueError, OverflowError):
        raise Unreadable(f"'{value}' is not an amount of memory such as 512mb.") from None
