"""Streamlit's scripts and styles, compressed once per version.

Streamlit itself sends them uncompressed, which takes 2.1 MB.

``python -m model.browser`` compresses them in an image's build; elsewhere the
server does so in the background at its first start.
"""

import hashlib
import os
import sys
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from ..settings import ROOT
from .cache import cached_folder, find_folder, read_info
from .page_files import PAGE_DIR, PAGE_FILES
from .programs import run_program

PROGRAM = Path(__file__).with_name("compress_streamlit.py")

PARTS = ("first-visit", "streamlit")
"""Two groups of files, in this order: those that a first visit loads, and all others."""


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
    """Compress one of ``PARTS`` into a folder.

    Raises:
        OSError: it can't be written, or compressing failed.
    """
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
