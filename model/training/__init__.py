"""Training: from a folder of photos to a bundle.

from model.training import train_folder

train_folder("photos", "flowers", minutes=20)
"""

import sys
from pathlib import Path
from typing import Any

from ..bundle import Bundle

__all__ = ["train_folder"]


def train_folder(folder: str | Path, name: str, *, resume: bool = False, **options: Any) -> Bundle:
    """Train a model on a folder with one folder per label, and publish it.

    Args:
        folder: ``folder/LABEL/…``, or ``folder/train/LABEL/…`` with ``validation`` beside it.
        options: fields of ``model.training.config.TrainingConfig``, such as ``minutes=20``;
            ``image_size`` may be named ``size``, as on the command line.

    Raises:
        DataError: the photos or the options don't allow it.
        EngineUnavailable: pretrained weights are neither installed nor downloadable.
    """
    from ..events import Progress
    from .config import TrainingConfig
    from .train import train

    class PrintedNotes(Progress):
        """Progress for notebooks and scripts: notes on standard error."""

        def note(self, text: str) -> None:
            sys.stderr.write(f"{text}\n")

    # Visitors read it, so no folder is named.
    shown = {key: value for key, value in options.items() if key not in ("models_dir", "unknown")}
    arguments = "".join(f", {key}={value!r}" for key, value in shown.items())
    options.setdefault("command", f"train_folder(FOLDER, {name!r}{arguments})")
    config = TrainingConfig.create(folder=Path(folder), name=name, **options)
    return train(config, resume=resume, progress=PrintedNotes())
