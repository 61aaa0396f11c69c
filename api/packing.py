"""Pack the files of Streamlit's pages for browsers: ``python -m api.packing SOURCE TARGET``.

A program of its own that imports little: its 90 MB end with it, and it yields to the server.
"""

import gzip
import os
import sys
from pathlib import Path

import brotli

__all__ = ["ENCODINGS", "main"]

ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Encodings by preference, with what they add to a file's name."""

TYPES = {".css", ".js"}
SMALL_BYTES = 100_000
GOOD, QUICK = 10, 5
"""Brotli's qualities: the good one, 0.4 s per MB, for small files and for what each visit loads."""


def main(source: Path, target: Path) -> None:
    """Write each text file of ``source/static`` to ``target``, in each encoding.

    Raises:
        OSError: a file can't be written.
    """
    if hasattr(os, "nice"):
        os.nice(19)
    index = (source / "index.html").read_text(encoding="utf-8")
    for path in (source / "static").rglob("*"):
        if path.suffix not in TYPES:
            continue
        data, stat = path.read_bytes(), path.stat()
        is_first = path.name in index or len(data) < SMALL_BYTES
        packed = {
            "br": brotli.compress(data, quality=GOOD if is_first else QUICK),
            "gzip": gzip.compress(data, mtime=0),
        }
        folder = target / path.relative_to(source).parent
        folder.mkdir(parents=True, exist_ok=True)
        for encoding, suffix in ENCODINGS.items():
            file = folder / f"{path.name}{suffix}"
            file.write_bytes(packed[encoding])
            # Last-Modified stays the original's.
            os.utime(file, (stat.st_atime, stat.st_mtime))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
