"""Compress the files of Streamlit's pages: ``compress_streamlit.py PART STATIC DEVICE TARGET``.

Runs in a separate, low-priority process that imports none of the app's modules, so that its 60 MB
are freed when it ends. It also ends when its standard input closes, which happens if the app ends.
"""

import gzip
import hashlib
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import brotli

TYPES = {".css", ".js"}
SMALL_BYTES = 100_000
GOOD, QUICK = 10, 5
"""Brotli's qualities; the good one, for small files and first visits, takes 0.4 s per MB."""

SCRIPT = re.compile(r'<script type="module"[^>]* src="\./([^"]+)"')
IMPORT = re.compile(r"""\b(?:from|import)\s*["'](\.{1,2}/[^"']+)["']""")
WORKER = "engine/worker.mjs"
SHEETS = ("view/*.css", "streamlit.css", "header.css")
"""The viewfinder's style sheets."""

COMPONENT = "static/js/BidiComponent.*.js"
"""Streamlit's module for components, which is loaded with the first one."""

CHART = "static/js/ArrowVegaLiteChart.*.js"
"""Streamlit's module for charts."""

RETRY = """
const load = (query) => import(import.meta.url + query);
export default (await load("?").catch(() => load("?again"))).default;
"""
"""Replaces the module for charts: neither browsers nor React retry an import that failed."""


def main(part: str, static: Path, device: Path, target: Path) -> None:
    """Compress Streamlit's scripts and styles, and write the bundles of modules.

    Args:
        part: ``first-visit`` for the files of a first visit and the bundles; else all other files.
        static: Streamlit's static files, among them ``index.html``.
        target: the folder to write to. Bundles are ``static/js/loupe.HASH.js`` in it, and
            are left out if Streamlit's page has an unexpected form.

    Raises:
        OSError: a file can't be written.
    """
    if hasattr(os, "nice"):
        os.nice(10)
    is_first = part == "first-visit"
    index = (static / "index.html").read_text(encoding="utf-8")
    start, component = SCRIPT.search(index), next(static.glob(COMPONENT), None)
    modules = {}
    if start and component:
        modules = dict(_closure(static, [static / start[1], component]))
        if is_first:
            chart = dict(_closure(static, list(static.glob(CHART)))).keys() - modules.keys()
            _write_bundles(target, device, start[1], modules, sorted(chart))
    for path in (static / "static").rglob("*"):
        name = path.relative_to(static).as_posix()
        if path.suffix in TYPES and (name in index or name in modules) == is_first:
            data = path.read_bytes()
            is_good = is_first or len(data) < SMALL_BYTES
            _write(target / name, data, path.stat().st_mtime, good=is_good)


def _write_bundles(
    target: Path, device: Path, start: str, modules: dict[str, str], chart: list[str]
) -> None:
    """Write the viewfinder's bundle, Streamlit's, and ``first-visit.json``, which names them."""
    own = dict(_closure(device.parent, [device / "page.mjs", device / WORKER]))
    sheets = {
        path.relative_to(device.parent).as_posix(): path.read_text(encoding="utf-8")
        for name in SHEETS
        for path in sorted(device.glob(name))
    }
    charts = [path for path in chart if Path(path).match(CHART)]
    own |= dict.fromkeys(charts, RETRY)
    content = {
        "early": _write_bundle(target, device, own, "device/page.mjs", f"device/{WORKER}", sheets),
        "bundle": _write_bundle(target, device, modules, start),
        "start": start,
        "modules": sorted(modules),
        "chart": [f"{path}?" if path in charts else path for path in chart],
    }
    (target / "first-visit.json").write_text(json.dumps(content))


def _write_bundle(target: Path, device: Path, *values: object) -> str:
    """Write a script that calls ``runBundle`` with these values; return its path."""
    call = f"runBundle(...{json.dumps(values, ensure_ascii=False)});\n"
    data = (device / "first" / "bundle.js").read_bytes() + call.encode()
    bundle = f"static/js/loupe.{hashlib.sha256(data).hexdigest()[:16]}.js"
    _write(target / bundle, data, None, good=True)
    # For browsers that accept no encoding: Streamlit has no such file.
    (target / bundle).write_bytes(data)
    return bundle


def _closure(root: Path, left: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield the path relative to ``root`` and the source of modules and all their imports."""
    seen = set(left)
    while left:
        path = left.pop()
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(root).as_posix(), text
        others = {Path(os.path.normpath(path.parent / name)) for name in IMPORT.findall(text)}
        new = {other for other in others - seen if other.is_file()}
        left.extend(sorted(new))
        seen |= new


def _write(file: Path, data: bytes, modified: float | None, *, good: bool) -> None:
    """Write a file in each encoding, with the original's time of modification."""
    file.parent.mkdir(parents=True, exist_ok=True)
    compressed = {
        ".br": brotli.compress(data, quality=GOOD if good else QUICK),
        ".gz": gzip.compress(data, mtime=0),
    }
    for suffix, content in compressed.items():
        encoded = file.with_name(file.name + suffix)
        encoded.write_bytes(content)
        if modified is not None:
            os.utime(encoded, (modified, modified))


def _exit_at_end_of_input() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    main(sys.argv[1], *map(Path, sys.argv[2:]))
