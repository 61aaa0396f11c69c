"""The page with models as a folder for any static web server: nothing of Loupe runs there.

The folder doesn't depend on a server's response headers: modules end in ``.js``, which every
server sends as JavaScript (many don't know ``.mjs``), the page unpacks large files, and the policy
is in the page itself.
"""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from ..browser.device_files import (
    device_dir,
    first_visit_bytes,
    index_json,
    model_json,
    needs_runtime,
)
from ..browser.page_files import FILE_LIST, PAGE_DIR, PAGE_FILES, POLICY, list_kept
from ..browser.runtime import RUNTIME, runtime_dir, runtime_info
from ..bundle import Bundle, read_samples
from ..text import format_size
from .export_check import Written
from .export_folder import RECORD, escape_markdown

INDEX = "models/index.json"
"""The file that lists the models."""

MODULES = sorted(Path(name).stem for name in PAGE_FILES if name.endswith(".mjs"))
MODULE_NAME = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, MODULES))})\.mjs\b")

TEXT_TYPES = ("text/", "application/manifest+json")
CHARSET = '<meta charset="utf-8">'
POLICY_ELEMENT = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'

README = Path(__file__).with_name("page_readme.md")

LIBRARY = 'export * from "./loupe.js";\n'
"""``loupe.mjs``, under which other pages import the library, as from a running app."""


def write_page(bundles: Sequence[Bundle], folder: Path) -> Written:
    """Write the page and its models into an empty folder; the first model opens.

    Raises:
        EngineUnavailable: the files for browsers can't be made on this machine.
        OSError: it can't be written.
    """
    _write_files(folder)
    for bundle in bundles:
        _write_model(bundle, folder / "models" / bundle.name)
    if any(needs_runtime(bundle) for bundle in bundles):
        runtime = runtime_info()
        (folder / RUNTIME).mkdir()
        for name in (runtime["module"], runtime["wasm"]):
            shutil.copyfile(runtime_dir() / name, folder / RUNTIME / _rename(name))
    _write_json(folder / INDEX, index_json(bundles, bundles[0].name))
    # GitHub Pages then publishes the files unchanged.
    (folder / ".nojekyll").touch()
    (folder / "README.md").write_text(_readme(bundles), encoding="utf-8")
    size = format_size(first_visit_bytes(bundles[0]))
    return Written((f"A first visit loads {size} from a server that compresses text.",))


def _write_files(folder: Path) -> None:
    """Write the files of the page."""
    names = []
    for name, media_type in PAGE_FILES.items():
        data = (PAGE_DIR / name).read_bytes()
        if media_type.startswith(TEXT_TYPES):
            text = MODULE_NAME.sub(r"\1.js", data.decode())
            if name.endswith(".html"):
                text = text.replace(CHARSET, f"{CHARSET}\n{POLICY_ELEMENT}", 1)
            data = text.encode()
        names.append(_rename(name))
        path = folder / names[-1]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    (folder / "loupe.mjs").write_text(LIBRARY, encoding="utf-8")
    _write_json(folder / FILE_LIST, list_kept(names))


def _rename(name: str) -> str:
    """Return a file's name in an export."""
    return re.sub(r"\.mjs$", ".js", name)


def _write_model(bundle: Bundle, folder: Path) -> None:
    """Write a model's files."""
    folder.mkdir(parents=True)
    made = {"small": device_dir(bundle), "full": device_dir(bundle, "full")}
    info = model_json(bundle, "../../runtime/")
    if needs_runtime(bundle):
        info["runtime"]["module"] = _rename(info["runtime"]["module"])
    else:
        info["runtime"] = None
    for graph, entry in info["graphs"].items():
        for file in (entry.get("network", entry), entry["golden"]):
            shutil.copyfile(made[graph] / file["url"], folder / file["url"])
        # Only pages of earlier versions read a packed graph's ONNX file.
        for key in ("url", "bytes", "sha256") if "network" in entry else ():
            del entry[key]
    _write_json(folder / "model.json", info)
    for sample in read_samples(bundle):
        (folder / "samples").mkdir(exist_ok=True)
        for name, data in sample.files.items():
            (folder / "samples" / name).write_bytes(data)


def _write_json(path: Path, value: Any) -> None:
    """Write JSON without spaces, since browsers load it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text, encoding="utf-8")


def _readme(bundles: Sequence[Bundle]) -> str:
    """Return a README that begins with the head of a static Hugging Face Space."""
    title = bundles[0].manifest.title
    rows = "".join(
        f"| {escape_markdown(bundle.manifest.title)} | `{bundle.name}` | {bundle.version} | "
        f"{escape_markdown(bundle.manifest.licence)} |\n"
        for bundle in bundles
    )
    return Template(README.read_text("utf-8")).substitute(
        head=yaml.safe_dump({"title": title}, allow_unicode=True).strip(),
        title=escape_markdown(title),
        rows=rows,
        record=RECORD,
    )
