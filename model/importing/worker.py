"""The process that reads a file: ``python -m model.importing.worker FOLDER PARENT``.

``FOLDER/task.json`` says what to do, results go to ``FOLDER/out``. A file is read into
placeholders, and its network is built of known layers, so none of its code runs; but it may be made
to fill the memory or to crash Python's unpickler. With ``trust`` the network is unpickled instead,
which may run anything. Either way the process has no secrets in its environment, limited memory,
and no network where the kernel allows that. It can reach the owner's files.
"""

import json
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from ..errors import LoupeError
from .isolation import die_with
from .launcher import ANSWERS, REFUSAL, REPORT, STAGES


def main(folder: Path) -> int:
    """Do the task and return 0, or write a refusal for the parent and return 1."""
    out = folder / "out"
    warnings.simplefilter("ignore")
    try:
        task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        report = _convert(task, folder, out) if "photos" in task else _inspect(task)
    except LoupeError as error:
        _refuse(out, str(error))
        return 1
    except Exception as error:  # noqa: BLE001
        # A library may raise anything; the traceback helps its authors.
        traceback.print_exc()
        # torch wraps the original exception in pages of help.
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        _refuse(out, f"{type(cause).__name__}: {cause}", foreign=True)
        return 1
    (out / REPORT).write_text(report, encoding="utf-8")
    return 0


def _refuse(out: Path, message: str, *, foreign: bool = False) -> None:
    """Write a refusal; a foreign one is an unexpected exception."""
    text = (out / STAGES).read_text() if (out / STAGES).exists() else ""
    stage = ["", *text.split()][-1]
    values = {"message": message.strip()[:4000], "foreign": foreign, "stage": stage}
    (out / REFUSAL).write_text(json.dumps(values), encoding="utf-8")


def _enter(out: Path, stage: str) -> None:
    with (out / STAGES).open("a") as file:
        file.write(f"{stage}\n")


def _inspect(task: dict[str, Any]) -> str:
    from .inspect.inspection import inspect_file

    return inspect_file(Path(task["export"])).model_dump_json()


def _convert(task: dict[str, Any], folder: Path, out: Path) -> str:
    """Write the bundle's files, and probabilities that the parent compares with the bundle's."""
    import numpy as np

    from ..learner.inference_module import export_onnx
    from .convert.restored_learner import restore_learner
    from .inspect.weights import WeightsSettings

    _enter(out, "loading")
    given = task["weights"] and WeightsSettings.model_validate(task["weights"])
    learner = restore_learner(Path(task["export"]), given, trust=task["trust"])
    report = learner.report()
    _enter(out, "compiling")
    export_onnx(learner.rgb_model, report.draft(), out)
    _enter(out, "comparing")
    probabilities = learner.predict([folder / "photos" / name for name in task["photos"]])
    np.savez(out / ANSWERS, probabilities=probabilities)
    return report.model_dump_json()


if __name__ == "__main__":
    # Set again, because starting a program may clear it.
    die_with(int(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1])))
