"""The files of the page that runs models in browsers: those in ``device/`` that a browser loads."""

from collections.abc import Iterable
from pathlib import Path

from ..settings import ROOT

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
