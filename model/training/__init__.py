"""Where fastai lives: training, rebuilding a learner, compiling it, importing an export.

from model.training import train_folder

train_folder("photos", "flowers", minutes=20)
"""

from pathlib import Path
from typing import Any

from ..bundle import Bundle

__all__ = ["train_folder"]


def train_folder(folder: str | Path, name: str, *, resume: bool = False, **options: Any) -> Bundle:
    """Train a model on a folder with a folder a label, and put it on the shelf.

    Args:
        folder: ``folder/LABEL/…``, or ``folder/train/LABEL/…`` with ``validation`` beside it.
        name: what links and commands will call it.
        resume: go on with an unfinished training of that name.
        options: fields of ``model.training.config.Plan``, such as ``minutes=20``; ``side``
            may be called ``size``, as on the command line.

    Raises:
        DataError: the photos or the options will not do.
        EngineUnavailable: published weights are not to be had.
    """
    from .config import TrainingConfig
    from .progress import spoken
    from .train import train

    given = "".join(f", {key}={value!r}" for key, value in options.items())
    options.setdefault("command", f"train_folder({str(folder)!r}, {name!r}{given})")
    if "size" in options:
        options["side"] = options.pop("size")
    return train(
        TrainingConfig.of(folder=Path(folder), name=name, **options), resume=resume, watch=spoken
    )
