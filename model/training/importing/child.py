"""The process that loads an export: ``python -m model.training.importing.child FOLDER PARENT``.

``FOLDER/task.json`` says what to do, results go to ``FOLDER/out``. Whatever the
export's code does, it does here: without secrets, and without a network where the
kernel allows it.
"""

import json
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from ...errors import LoupeError
from .enclosed import die_with
from .sandbox import ANSWERS, REFUSAL, STAGE

__all__ = ["main"]


def main(folder: Path) -> int:
    """Do the task; a refusal is written down for the parent to word."""
    out = folder / "out"
    warnings.simplefilter("ignore")
    try:
        _import(json.loads((folder / "task.json").read_text()), folder, out)
    except LoupeError as error:
        _refuse(out, str(error))
    except Exception as error:  # noqa: BLE001
        # The export's own code may throw anything; where is for whoever wrote it.
        traceback.print_exc()
        cause = _first_cause(error)
        _refuse(out, f"{type(cause).__name__}: {cause}", foreign=True)
    else:
        return 0
    return 1


def _first_cause(error: BaseException) -> BaseException:
    """What an exception was raised from in the first place: torch wraps others in pages of help."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _refuse(out: Path, message: str, *, foreign: bool = False) -> None:
    """Write a refusal; a foreign one is an exception that nobody foresaw."""
    stage = (out / STAGE).read_text() if (out / STAGE).exists() else ""
    values = {"message": message.strip()[:4000], "foreign": foreign, "stage": stage}
    (out / REFUSAL).write_text(json.dumps(values), encoding="utf-8")


def _import(task: dict[str, Any], folder: Path, out: Path) -> None:
    from .unpickling import unpickle

    _say(out, "loading")
    unpickled = unpickle(Path(task["export"]))
    learner = unpickled.found
    _check_learner(learner)
    _compile(learner, list(unpickled.stubs), folder, out)
    _say(out, "comparing")
    _answer(learner, [folder / "photos" / name for name in task["photos"]], out)


def _say(out: Path, stage: str) -> None:
    (out / STAGE).write_text(stage)


def _check_learner(learner: Any) -> None:
    """Refuse what is no vision learner; bring one that trained on a GPU back to the CPU."""
    from fastai.vision.all import Learner

    from ...errors import ExportRefused
    from .answers import without_stubs
    from .network import check_network
    from .unpickling import kind_of, named

    if kind := kind_of(learner):
        raise ExportRefused(f"It is a {named(kind)}, which is not here.")
    if not isinstance(learner, Learner):
        raise ExportRefused(
            f"It holds a {type(learner).__module__}.{type(learner).__qualname__}, not a fastai "
            "Learner with its labels and transforms. Write it with learn.export()."
        )
    if kind := kind_of(learner.dls):
        raise ExportRefused(f"Its data loaders are {named(kind)}, which is not here.")
    check_network(learner.model)
    without_stubs(learner)
    learner.dls.cpu()
    # As fastai's load_learner does it.
    if hasattr(learner, "channels_last"):
        learner.to_contiguous(to_fp32=True)
    elif hasattr(learner, "mixed_precision"):
        learner.to_fp32()
    elif hasattr(learner, "non_native_mixed_precision"):
        learner.to_non_native_fp32()
    learner.model.cpu().float().eval()


def _compile(learner: Any, stubs: list[str], folder: Path, out: Path) -> None:
    """Find out what it does, and write the bundle's files."""
    from ..onnx_export import export_onnx
    from .answers import check_opening
    from .found import FOUND
    from .network import named_network
    from .pipeline import read_steps
    from .reading import read_learner

    check_opening(learner, folder)
    steps = read_steps(learner)
    found = read_learner(learner, steps, stubs)
    if steps.scale is None:
        found = named_network(learner, found)
    _say(out, "compiling")
    export_onnx(learner, found.manifest(), out, steps.scale)
    (out / FOUND).write_text(found.model_dump_json(), encoding="utf-8")


def _answer(learner: Any, photos: list[Path], out: Path) -> None:
    """Write ``learn.predict``'s own answers, which the parent compares with the bundle's."""
    import numpy as np

    from .answers import is_multilabel, predict

    several = is_multilabel(learner, len(learner.dls.vocab))
    np.savez(out / ANSWERS, probabilities=predict(learner, photos, multilabel=several))


if __name__ == "__main__":
    # Once more: a program that is started anew may have lost what the kernel was asked.
    die_with(int(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1])))
