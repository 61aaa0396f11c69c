"""The process that converts an export: ``python -m model.importing.convert.worker FOLDER PARENT``.

``FOLDER/task.json`` says what to do, results go to ``FOLDER/out``. The export is read into
placeholders, and its network is built of known layers, so none of its code runs. With ``trust``
the network is unpickled instead, which may run anything. Either way the process has no secrets
in its environment, limited memory, and no network where the kernel allows that. It can reach the
owner's files.
"""

import json
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from ...errors import LoupeError
from ..isolation import die_with
from ..launcher import ANSWERS, REFUSAL, REPORT, STAGE

__all__ = ["main"]


def main(folder: Path) -> int:
    """Do the task; write a refusal down, which the parent puts into words."""
    out = folder / "out"
    warnings.simplefilter("ignore")
    try:
        _convert(json.loads((folder / "task.json").read_text()), folder, out)
    except LoupeError as error:
        _refuse(out, str(error))
    except Exception as error:  # noqa: BLE001
        # A library may raise anything; the traceback helps its authors.
        traceback.print_exc()
        cause = _first_cause(error)
        _refuse(out, f"{type(cause).__name__}: {cause}", foreign=True)
    else:
        return 0
    return 1


def _first_cause(error: BaseException) -> BaseException:
    """Return the exception that others were raised from: torch wraps them in pages of help."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _refuse(out: Path, message: str, *, foreign: bool = False) -> None:
    """Write a refusal; a foreign one is an unexpected exception."""
    stage = (out / STAGE).read_text() if (out / STAGE).exists() else ""
    values = {"message": message.strip()[:4000], "foreign": foreign, "stage": stage}
    (out / REFUSAL).write_text(json.dumps(values), encoding="utf-8")


def _stage(out: Path, stage: str) -> None:
    (out / STAGE).write_text(stage)


def _convert(task: dict[str, Any], folder: Path, out: Path) -> None:
    """Write the bundle's files, and probabilities that the parent compares with the bundle's."""
    import numpy as np

    from ...training.onnx_export import export_onnx
    from ..weights_settings import WeightsSettings
    from .reference import reference_probabilities
    from .restored_learner import restore_learner

    _stage(out, "loading")
    given = task["weights"] and WeightsSettings.model_validate(task["weights"])
    learner = restore_learner(Path(task["export"]), given, trust=task["trust"])
    report = learner.report()
    _stage(out, "compiling")
    export_onnx(learner.rgb_model, report.manifest(), out, learner.steps.scale)
    (out / REPORT).write_text(report.model_dump_json(), encoding="utf-8")
    _stage(out, "comparing")
    photos = [folder / "photos" / name for name in task["photos"]]
    found = reference_probabilities(
        learner.model, learner.pipeline, photos, multilabel=report.multilabel
    )
    np.savez(out / ANSWERS, probabilities=found)


if __name__ == "__main__":
    # Set once more: a program that has just been started may have lost it.
    die_with(int(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1])))
