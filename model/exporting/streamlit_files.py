"""Streamlit's scripts and styles, compressed once per version: it sends them as they are, 2.1 MB.

``python -m model.exporting.streamlit_files`` does so in an image's build; elsewhere the server does
in the background when it first starts.
"""

import hashlib
import json
import os
import subprocess
import sys
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from ..settings import ROOT
from .cache import cached_folder, find_folder
from .page_files import PAGE_DIR, PAGE_FILES

__all__ = [
    "PARTS",
    "FirstVisit",
    "compress",
    "compress_all",
    "compressed_name",
    "find_compressed",
    "first_visit",
]

PROGRAM = Path(__file__).with_name("compress_streamlit.py")

PARTS = ("first-visit", "streamlit")
"""What is compressed one after the other: what a first visit loads, and Streamlit's other files."""


class FirstVisit(TypedDict):
    """Paths below the app's: of the modules, of the first one, and of the script with all."""

    bundle: str
    start: str
    modules: list[str]


TIMEOUT_SECONDS = 1800
"""Longest time to compress a part, which takes 3 s of CPU time at a low priority, in seconds."""


@cache
def compressed_name(part: str) -> str:
    """Return the name of a part's folder in the cache."""
    # Named by the app's own modules, too, which are in the bundle.
    paths = [
        PROGRAM,
        PAGE_DIR / "first" / "bundle.js",
        *(PAGE_DIR / name for name in sorted(PAGE_FILES)),
    ]
    content = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]
    return f"{part}/{version('streamlit')}-{content}"


def find_compressed() -> list[Path]:
    """Return the folders of compressed files; the first has those of a first visit."""
    folders = [find_folder(compressed_name(part)) for part in PARTS]
    # A first visit's alone, or both: those are compressed first.
    return [folder for folder in folders if folder] if folders[0] else []


def first_visit(compressed: Path) -> FirstVisit | None:
    """Return what a first visit loads; None if Streamlit's page isn't as expected."""
    file = compressed / "first-visit.json"
    content: FirstVisit | None = json.loads(file.read_text()) if file.is_file() else None
    return content


def compress_all() -> None:
    """Compress what hasn't been, which takes seconds.

    Raises:
        OSError: it can't be written, or compressing failed.
    """
    for part in PARTS:
        cached_folder(compressed_name(part), partial(compress, part))


def compress(part: str, folder: Path) -> None:
    """Compress one of ``PARTS`` into a folder.

    Raises:
        OSError: it can't be written, or compressing failed.
    """
    spec = find_spec("streamlit")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("Streamlit isn't installed.")
    static = Path(spec.origin).parent / "static"
    # Closed when this process ends, however that is; then the program ends, too.
    lifeline = os.pipe()
    try:
        subprocess.run(
            [sys.executable, str(PROGRAM), part, str(static), str(PAGE_DIR), str(folder)],
            cwd=ROOT,
            stdin=lifeline[0],
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.SubprocessError as error:
        lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
        raise OSError(f"Streamlit's files couldn't be compressed: {lines[-1]}") from error
    finally:
        for end in lifeline:
            os.close(end)


if __name__ == "__main__":
    compress_all()
