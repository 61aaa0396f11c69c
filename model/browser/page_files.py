"""The files of the page that runs models in browsers, and Streamlit's, compressed once per version.

Streamlit itself sends them uncompressed, which takes 2.1 MB. ``python -m model.browser`` compresses
them in an image's build; elsewhere the server does so in the background at its first start.
"""

import hashlib
import os
import sys
from collections.abc import Iterable
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from ..settings import ROOT
from .cache import cached_folder, find_folder, read_info
from .runtime import run_program

PAGE_DIR = ROOT / "device"

POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy of the page: nothing from elsewhere."""

JAVASCRIPT = "text/javascript"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": JAVASCRIPT,
    ".mjs": JAVASCRIPT,
    ".png": "image/png",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
"""Media types by suffix. A file with another one isn't part of the page: npm's lock file, say."""

FOLDERS = (".", "engine", "owner", "teach", "view", "visit")
"""Folders with files of the page. Others, like npm's, aren't part of it."""


def find_page_files(folder: Path) -> dict[str, str]:
    """Return the media types of the page's files by path, without links and hidden files."""
    return {
        path.relative_to(folder).as_posix(): MEDIA_TYPES[path.suffix]
        for name in FOLDERS
        for path in sorted((folder / name).glob("*"))
        if path.suffix in MEDIA_TYPES
        and path.is_file()
        and not path.is_symlink()
        and not path.name.startswith(".")
    }


PAGE_FILES = find_page_files(PAGE_DIR)
"""Media types of the page's files by path."""

FILE_LIST = "files.json"
"""The file that lists the paths that the service worker keeps, beside the page and its models."""


def list_kept(files: Iterable[str]) -> list[str]:
    """Return the contents of ``FILE_LIST`` for the page's files."""
    return [
        path
        for path in files
        # The owner's pages don't work without a network, and few visitors measure their device.
        if path not in ("index.html", "service-worker.js")
        and not path.startswith(("owner/", "bench", "engine/bench"))
    ]


PROGRAM = Path(__file__).with_name("compress_streamlit.py")

PARTS = ("first-visit", "streamlit")
"""The files that a first visit loads, and all others; compressed in this order."""


class FirstVisit(TypedDict):
    """The scripts of a first visit, as paths relative to the app's address.

    Attributes:
        early: the script that shows the viewfinder.
        bundle: the script that contains Streamlit's modules.
        start: the module that starts Streamlit.
        modules: all modules in the bundle.
        chart: the further modules that a chart needs.
    """

    early: str
    bundle: str
    start: str
    modules: list[str]
    chart: list[str]


TIMEOUT_SECONDS = 1800
"""Time limit for one part, in seconds; it takes 3 s of CPU time, at a low priority."""


@cache
def compressed_name(part: str) -> str:
    """Return the name of a part's folder in the cache."""
    # The app's own modules are in the bundle, so they are part of the name.
    paths = [
        PROGRAM,
        PAGE_DIR / "first" / "bundle.js",
        *(PAGE_DIR / name for name in sorted(PAGE_FILES)),
    ]
    content = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]
    return f"{part}/{version('streamlit')}-{content}"


def find_compressed() -> list[Path]:
    """Return the folders of compressed files that exist: none, the first visit's, or both."""
    folders = [find_folder(compressed_name(part)) for part in PARTS]
    return [folder for folder in folders if folder] if folders[0] else []


def first_visit(compressed: Path) -> FirstVisit | None:
    """Return the modules of a first visit; None if Streamlit's page has another form."""
    file = compressed / "first-visit.json"
    content: FirstVisit | None = read_info(compressed, file.name) if file.is_file() else None
    return content


def compress_all() -> None:
    """Compress the parts that are missing, which takes seconds.

    Raises:
        OSError: it can't be written, or compressing failed.
    """
    for part in PARTS:
        cached_folder(compressed_name(part), partial(compress, part))


def compress(part: str, folder: Path) -> None:
    """Compress one of ``PARTS`` into a folder."""
    spec = find_spec("streamlit")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("Streamlit isn't installed. Install requirements-serve.txt.")
    static = Path(spec.origin).parent / "static"
    # The program ends when its end of the pipe closes, and so with this process.
    lifeline = os.pipe()
    try:
        run_program(
            [sys.executable, PROGRAM, part, static, PAGE_DIR, folder],
            "Streamlit's files couldn't be compressed",
            timeout=TIMEOUT_SECONDS,
            error=OSError,
            cwd=ROOT,
            stdin=lifeline[0],
        )
    finally:
        for end in lifeline:
            os.close(end)
