"""The page with models as a folder for any static web server: nothing of Loupe runs there.

The folder doesn't depend on a server's response headers: modules end in ``.js``, which every
server sends as JavaScript (many don't know ``.mjs``), the page unpacks large files, and the policy
is in the page itself.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..bundle import Bundle
from ..samples import samples
from .device_files import SAMPLES, device_dir, index_json, model_json
from .export_folder import RECORD, escape_markdown, write_export
from .page_files import FILE_LIST, PAGE_DIR, PAGE_FILES, POLICY, list_kept
from .runtime import RUNTIME, runtime_dir, runtime_info

__all__ = ["INDEX", "WebExport", "export_web"]

INDEX = "models/index.json"
"""The file that lists the models."""

MODULES = sorted(Path(name).stem for name in PAGE_FILES if name.endswith(".mjs"))
MODULE_NAME = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, MODULES))})\.mjs\b")

TEXT_TYPES = ("text/", "application/manifest+json")
CHARSET = '<meta charset="utf-8">'
POLICY_ELEMENT = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'

LIBRARY = 'export * from "./loupe.js";\n'
"""``loupe.mjs``, under which other pages import the library, as from a running app."""


@dataclass(frozen=True, slots=True)
class WebExport:
    """What was exported: the size of each file in bytes, by path, and of a first visit's files."""

    files: Mapping[str, int]
    first_visit_bytes: int


def export_web(bundles: Sequence[Bundle], folder: Path) -> WebExport:
    """Write the page with models into a folder, all of it or nothing.

    Args:
        bundles: the models, of which the first opens.
        folder: absent, empty, or an earlier export, which is replaced.

    Raises:
        FolderExists: the folder holds something else.
        EngineUnavailable: the files for browsers can't be made on this machine.
        OSError: it can't be written.
    """
    visited: list[str] = []
    versions = {bundle.name: bundle.version for bundle in bundles}
    sizes = write_export(folder, versions, lambda new: visited.extend(_write(bundles, new)))
    return WebExport(sizes, sum(sizes[path] for path in visited))


def _write(bundles: Sequence[Bundle], folder: Path) -> list[str]:
    """Write an export into an empty folder; return the files that a first visit loads."""
    visited = [*_write_page(folder), INDEX]
    for bundle in bundles:
        paths = _write_model(bundle, folder / "models" / bundle.name)
        if bundle is bundles[0]:
            visited += [f"models/{bundle.name}/{path}" for path in paths]
    runtime = runtime_info()
    (folder / RUNTIME).mkdir()
    for name in (runtime["module"], runtime["wasm"]):
        shutil.copyfile(runtime_dir() / name, folder / RUNTIME / _rename(name))
        visited.append(f"{RUNTIME}/{_rename(name)}")
    _write_json(folder / INDEX, index_json(bundles, bundles[0].name))
    (folder / SAMPLES).mkdir()
    for sample in samples():
        shutil.copyfile(sample.path, folder / SAMPLES / sample.path.name)
        (folder / SAMPLES / sample.thumbnail_name).write_bytes(sample.thumbnail())
    # GitHub Pages then publishes the files as they are.
    (folder / ".nojekyll").touch()
    (folder / "README.md").write_text(_readme(bundles), encoding="utf-8")
    return visited


def _write_page(folder: Path) -> list[str]:
    """Write the files of the page; return their paths."""
    names = []
    for name, media_type in PAGE_FILES.items():
        data = (PAGE_DIR / name).read_bytes()
        if media_type.startswith(TEXT_TYPES):
            text = MODULE_NAME.sub(r"\1.js", data.decode())
            if name == "index.html":
                text = text.replace(CHARSET, f"{CHARSET}\n{POLICY_ELEMENT}", 1)
            data = text.encode()
        names.append(_rename(name))
        path = folder / names[-1]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    (folder / "loupe.mjs").write_text(LIBRARY, encoding="utf-8")
    _write_json(folder / FILE_LIST, list_kept(names))
    return [*names, FILE_LIST]


def _rename(name: str) -> str:
    """Return a file's name in an export."""
    return re.sub(r"\.mjs$", ".js", name)


def _write_model(bundle: Bundle, folder: Path) -> list[str]:
    """Write a model's files; return those that a first visit loads."""
    folder.mkdir(parents=True)
    info = model_json(bundle, "../../runtime/")
    info["runtime"]["module"] = _rename(info["runtime"]["module"])
    _write_json(folder / "model.json", info)
    for entry in info["graphs"].values():
        for url in (entry["url"], entry["golden"]["url"]):
            shutil.copyfile(device_dir(bundle) / url, folder / url)
    small = info["graphs"]["small"]
    return ["model.json", small["url"], small["golden"]["url"]]


def _write_json(path: Path, value: Any) -> None:
    """Write JSON without spaces, since browsers load it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text, encoding="utf-8")


def _readme(bundles: Sequence[Bundle]) -> str:
    """Return a README that begins with the head of a static Hugging Face Space."""
    title = bundles[0].manifest.title
    head = yaml.safe_dump(
        {
            "title": title,
            "emoji": "🔎",
            "colorFrom": "green",
            "colorTo": "gray",
            "sdk": "static",
            "app_file": "index.html",
        },
        sort_keys=False,
        allow_unicode=True,
    )
    rows = "".join(
        f"| {escape_markdown(bundle.manifest.title)} | `{bundle.name}` | {bundle.version} | "
        f"{escape_markdown(bundle.manifest.licence)} |\n"
        for bundle in bundles
    )
    return (
        f"---\n{head}---\n\n# {escape_markdown(title)}\n\n"
        "Point your phone at something, and a model in the browser says what it is. Photos stay on "
        "the device.\n\n"
        "Any web server can serve this folder, under any address. On this machine:\n\n"
        "```\npython -m http.server\n```\n\n"
        "and open http://localhost:8000. After one visit over https the page works without a "
        "network.\n\n"
        "| model | name | version | licence |\n|---|---|---|---|\n"
        f"{rows}\n"
        "The page is part of Loupe (Apache-2.0). `runtime/` is onnxruntime-web (MIT), © Microsoft "
        f"Corporation. `{RECORD}` lists the SHA-256 of each file.\n"
    )
