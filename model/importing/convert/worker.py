"""The process that converts an export: ``python -m model.importing.convert.worker FOLDER PARENT``.

``FOLDER/task.json`` says what to do, results go to ``FOLDER/out``. The export is read into
placeholders, and its network is built of known layers, so none of its code runs. With ``trust``
the network is unpickled instead, which may run anything. Either way the process has no secrets,
limited memory, and no network where the kernel allows that.
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
    from ..inspect.container import open_export
    from ..inspect.learner import read_learner
    from .fastai_pipeline import FastaiPipeline
    from .network_builder import Weights
    from .network_name import named_network, unnamed
    from .recipe import read_recipe
    from .reference import count_features, reference_probabilities
    from .restored_network import restore_network
    from .worker_report import WorkerReport

    _stage(out, "loading")
    path = Path(task["export"])
    with open_export(path) as export:
        parts = read_learner(export.root)
        weights = Weights(export.read_storage)
        pipeline = FastaiPipeline.from_parts(parts, weights)
        steps = read_recipe(pipeline)
        model = restore_network(
            parts.network,
            weights,
            steps.recipe.graph_size or steps.recipe.size,
            trusted=path if task.get("trust") else None,
        )
    report = WorkerReport(
        labels=parts.labels,
        multilabel=parts.loss == "sigmoid",
        recipe=steps.recipe,
        architecture=unnamed(model, 1, steps.mean, steps.std),
        learner=False,
    )
    features = count_features(model, report, steps)
    report = report.model_copy(
        update={"architecture": unnamed(model, features, steps.mean, steps.std)}
    )
    if steps.scale is None:
        report = named_network(model, parts.architecture, report)
    _stage(out, "compiling")
    export_onnx(model, report.manifest(), out, steps.scale)
    (out / REPORT).write_text(report.model_dump_json(), encoding="utf-8")
    _stage(out, "comparing")
    photos = [folder / "photos" / name for name in task["photos"]]
    found = reference_probabilities(model, pipeline, photos, multilabel=report.multilabel)
    np.savez(out / ANSWERS, probabilities=found)


if __name__ == "__main__":
    # Set once more: a program that has just been started may have lost it.
    die_with(int(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1])))
