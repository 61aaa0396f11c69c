"""Compress the files of Streamlit's pages: ``compress_streamlit.py PART STATIC DEVICE TARGET``.

A separate process of low priority, without the app's modules, whose 90 MB are freed at its end. It
also ends when its standard input closes, and so whenever the app ends.
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
COMPONENT = "static/js/BidiComponent.*.js"
"""Streamlit's module for components, which is loaded with the first one."""


def main(part: str, static: Path, device: Path, target: Path) -> None:
    """Compress Streamlit's scripts and styles, and write the bundle of modules.

    Args:
        part: ``first-visit`` for the files of a first visit and the bundle; else all other files.
        static: Streamlit's static files, among them ``index.html``.
        device: the app's own modules.
        target: the folder to write to. The bundle is ``static/js/loupe.HASH.js`` in it; it is left
            out if Streamlit's page has another form than expected.

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
        modules = dict(_closure(static, start[1], component, device))
        if is_first:
            _write_bundle(target, device, start[1], modules)
    for path in (static / "static").rglob("*"):
        name = path.relative_to(static).as_posix()
        if path.suffix in TYPES and (name in index or name in modules) == is_first:
            data = path.read_bytes()
            is_good = is_first or len(data) < SMALL_BYTES
            _write(target / name, data, path.stat().st_mtime, good=is_good)


def _write_bundle(target: Path, device: Path, start: str, modules: dict[str, str]) -> None:
    """Write the bundle, and ``first-visit.json``, which lists its modules."""
    call = f"runBundle({json.dumps(modules, ensure_ascii=False)}, {json.dumps(start)});\n"
    data = (device / "first" / "bundle.js").read_bytes() + call.encode()
    bundle = f"static/js/loupe.{hashlib.sha256(data).hexdigest()[:16]}.js"
    _write(target / bundle, data, None, good=True)
    # For browsers that accept no encoding: Streamlit has no such file.
    (target / bundle).write_bytes(data)
    content = {"bundle": bundle, "start": start, "modules": sorted(modules)}
    (target / "first-visit.json").write_text(json.dumps(content))


def _closure(static: Path, start: str, component: Path, device: Path) -> Iterator[tuple[str, str]]:
    """Yield the modules of a first visit: each one's path in the app, and its source."""
    left = [static / start, component, device / "streamlit.mjs"]
    seen = set(left)
    while left:
        path = left.pop()
        text = path.read_text(encoding="utf-8")
        root = static if path.is_relative_to(static) else device.parent
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
