"""What happens beside fastai's loop: averaging, saving, watching the clock."""

import copy
import os
import time
from pathlib import Path
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.learner import CancelFitException
from torch import nn
from torch.optim.swa_utils import AveragedModel

from .progress import TrainingProgress, Watch

__all__ = [
    "CHECKPOINT",
    "Checkpointer",
    "FrozenBatchNorm",
    "ProgressReporter",
    "WeightEma",
    "checkpoint",
]

CHECKPOINT = "checkpoint.pt"
KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
DECAY = 0.99


class FrozenBatchNorm(Callback):  # type: ignore[misc]
    """Batch-norm keeps its published statistics: a few thousand photos make worse ones."""

    order = 5

    def before_train(self) -> None:
        """After fastai has set training mode."""
        for module in self.learn.model.modules():
            if isinstance(module, KINDS):
                module.eval()


class WeightEma(Callback):  # type: ignore[misc]
    """Keeps an exponential average of the weights and measures that one.

    Source: Polyak averaging, with the warm-up that TensorFlow gives it.
    """

    order = 65

    def __init__(self, decay: float = DECAY) -> None:
        self.decay = decay
        self.average: AveragedModel | None = None
        self._own: dict[str, torch.Tensor] | None = None

    def before_fit(self) -> None:
        """Begin with the weights as they are, unless a checkpoint brought an average."""
        if self.average is None:
            self.average = AveragedModel(self.learn.model, avg_fn=self.blend)

    def blend(self, average: Any, weight: Any, count: Any) -> Any:
        """The average with one more set of weights in it, ``count`` being in it already."""
        kept = min(self.decay, (1 + float(count)) / (10 + float(count)))
        return average + (weight - average) * (1 - kept)

    def after_batch(self) -> None:
        """One step further."""
        if self.training and self.average is not None:
            self.average.update_parameters(self.learn.model)

    def before_validate(self) -> None:
        """Measure the average."""
        model = self.learn.model
        self._own = {name: value.clone() for name, value in model.state_dict().items()}
        if self.average is not None:
            model.load_state_dict(self.average.module.state_dict())

    def after_validate(self) -> None:
        """Go on with the weights themselves."""
        if self._own is not None:
            self.learn.model.load_state_dict(self._own)
            self._own = None


class Checkpointer(Callback):  # type: ignore[misc]
    """Keeps the best average so far, and after each epoch all that going on needs."""

    order = 70

    def __init__(
        self,
        path: Path,
        averaged: WeightEma,
        start: int,
        epochs: int,
        lr: float,
        best: dict[str, Any] | None = None,
    ) -> None:
        self.path, self.averaged = path, averaged
        self.start, self.epochs, self.lr = start, epochs, lr
        self.best: dict[str, Any] = best or {"accuracy": -1.0, "loss": float("inf"), "epoch": -1}

    def after_epoch(self) -> None:
        """Compare, then write everything beside the former file and rename."""
        if self.averaged.average is None or len(self.learn.recorder.values) == 0:
            return
        _, loss, accuracy = self.learn.recorder.values[-1][:3]
        epoch = self.start + self.epoch
        if (accuracy, -loss) > (self.best["accuracy"], -self.best["loss"]):
            state = copy.deepcopy(self.averaged.average.module.state_dict())
            self.best = {"accuracy": accuracy, "loss": loss, "epoch": epoch, "state": state}
        save(
            self.path,
            {
                "epochs": self.epochs,
                "next": epoch + 1,
                "lr": self.lr,
                "model": self.learn.model.state_dict(),
                "average": self.averaged.average.state_dict(),
                "optimizer": _plain(self.learn.opt.state_dict()),
                "best": self.best,
            },
        )


class ProgressReporter(Callback):  # type: ignore[misc]
    """Tells how far it is, and ends the fit when the time is up."""

    order = 80

    def __init__(self, watch: Watch, deadline: float | None, start: int, epochs: int) -> None:
        self.watch, self.deadline = watch, deadline
        self.start, self.epochs = start, epochs

    def after_batch(self) -> None:
        """A batch is done."""
        if not self.training:
            return
        batches = len(self.dls.train)
        done = (self.start + self.epoch) * batches + self.iter + 1
        self.watch(TrainingProgress("Fine-tuning", done, self.epochs * batches))
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.watch(TrainingProgress("Fine-tuning", note="The minutes are used up."))
            raise CancelFitException

    def after_epoch(self) -> None:
        """An epoch is done."""
        if values := self.learn.recorder.values:
            note = (
                f"Epoch {self.start + self.epoch + 1} of {self.epochs}: "
                f"{values[-1][2]:.1%} of the held-out photos right"
            )
            self.watch(TrainingProgress("Fine-tuning", note=note))


def save(path: Path, values: dict[str, Any]) -> None:
    """Write so that the former file stays whole until the new one is."""
    new = path.with_name(f".{path.name}")
    with new.open("wb") as file:
        torch.save(values, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def checkpoint(path: Path) -> dict[str, Any] | None:
    """What ``Saved`` wrote; None where there is none, or a part of one."""
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - torch raises many kinds; training then starts again
        return None
    return found


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """The optimizer's state without fastai's own kinds, so that it loads as weights alone."""
    return {
        "state": [dict(one) for one in state["state"]],
        "hypers": [
            {name: float(value) if hasattr(value, "item") else value for name, value in one.items()}
            for one in state["hypers"]
        ],
    }
