"""The process that inspects an export: ``python -m model.importing.inspect.worker FOLDER PARENT``.

``FOLDER/task.json`` names the file, the report goes to ``FOLDER/out``. Nothing of the file
runs, but a file may be made to fill the memory or to crash Python's unpickler.
"""

import json
import sys
from pathlib import Path

from ...errors import ExportRefused
from ..isolation import die_with
from ..launcher import REFUSAL, REPORT
from .inspection import inspect_file

__all__ = ["main"]


def main(folder: Path) -> int:
    """Write the report, or the refusal."""
    out = folder / "out"
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    try:
        report = inspect_file(Path(task["export"]))
    except ExportRefused as error:
        (out / REFUSAL).write_text(json.dumps({"message": str(error)}), encoding="utf-8")
        return 1
    (out / REPORT).write_text(report.model_dump_json(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    # Set once more: a program that has just been started may have lost it.
    die_with(int(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1])))
