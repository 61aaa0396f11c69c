"""Print the table of docs/importing.md for this Python:
``python -m tests.model.importing.old_exports.measure``.

A cell has the largest difference of a probability, over all photos, between the rebuilt learner
and the prediction of the fastai that wrote the file. With ``--whole``, each file is imported as by
``python -m model import`` instead, into a throw-away data folder, and the cell compares the
imported model's compiled engine; that takes ten seconds or more per file. ``--version 2.7.13``
measures one column.
"""

import argparse
import os
import platform
import sys
import tempfile
from importlib.metadata import version as version_of
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model import load
from model.errors import LoupeError
from model.importing.convert.importer import import_export

from .exports import KINDS, VERSIONS, OldExport, is_missing, unpack


def imported_probabilities(export: OldExport) -> NDArray[np.float32]:
    """Import a file; return what the compiled engine says: float32 [photos, labels]."""
    import_export(export.path, "measured", weights=export.settings)
    model = load("measured", "compiled")
    return np.stack([model.identify(photo).probabilities for photo in export.photos])


def cell(export: OldExport, *, whole: bool) -> str:
    """Return what the table says of a file."""
    if is_missing(export.version, export.file):
        return "–"
    try:
        found = imported_probabilities(export) if whole else export.restored_probabilities()
    except LoupeError as error:
        sys.stderr.write(f"{export.version}, {export.file}: {error}\n")
        return "refused"
    difference = np.abs(found - np.array(export.predictions["probabilities"])).max()
    text = f"{difference:.0e}".replace("e-0", "e-") if difference else "0"
    sys.stderr.write(f"{export.version}, {export.file}: {text}\n")
    return text


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--version", action="append", choices=VERSIONS)
    options = parser.parse_args()
    chosen = options.version or VERSIONS
    packages = ("torch", "torchvision", "timm", "fastai", "pillow")
    versions = ", ".join(f"{name} {version_of(name)}" for name in packages)
    with tempfile.TemporaryDirectory() as name:
        os.environ["LOUPE_DATA"] = str(Path(name, "data"))
        root = unpack(Path(name, "exports"))
        cells = [
            [cell(OldExport(root, version, file), whole=options.whole) for version in chosen]
            for file in KINDS.values()
        ]
    lines = [
        f"Python {platform.python_version()}, {versions}",
        "",
        f"| | {' | '.join(chosen)} |",
        "|---" * (len(chosen) + 1) + "|",
        *(f"| {kind} | {' | '.join(row)} |" for kind, row in zip(KINDS, cells, strict=True)),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
