"""fastai callbacks: frozen batch norm, weight EMA, checkpoints, progress."""

import copy
import time
from pathlib import Path
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.learner import CancelFitException
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ..atomic import replace_atomically
from .progress import OnProgress, TrainingProgress

__all__ = [
    "CHECKPOINT_FILE",
    "Checkpointer",
    "FrozenBatchNorm",
    "ProgressReporter",
    "WeightEma",
    "load_checkpoint",
]

CHECKPOINT_FILE = "checkpoint.pt"
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
EMA_DECAY = 0.99


class FrozenBatchNorm(Callback):  # type: ignore[misc]
    """Callback that keeps batch norm's pretrained statistics.

    Statistics of a few thousand photos are worse.
    """

    order = 5

    def before_train(self) -> None:
        """Put batch norm back into evaluation mode, after fastai has set training mode."""
        for module in self.learn.model.modules():
            if isinstance(module, BATCH_NORMS):
                module.eval()


class WeightEma(Callback):  # type: ignore[misc]
    """Exponential moving average of the weights, which is validated in their place.

    Source: Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging,
    1992; the warm-up is TensorFlow's ``ExponentialMovingAverage``.
    """

    order = 65

    def __init__(self, decay: float = EMA_DECAY) -> None:
        self.decay = decay
        self.average: AveragedModel | None = None
        self._trained: dict[str, torch.Tensor] | None = None

    def before_fit(self) -> None:
        """Start from the current weights, unless a checkpoint provided an average."""
        if self.average is None:
            self.average = AveragedModel(self.learn.model, avg_fn=self.blend)

    def blend(self, average: Any, weight: Any, count: Any) -> Any:
        """Return the average of ``count`` sets of weights with one more added."""
        decay = min(self.decay, (1 + float(count)) / (10 + float(count)))
        return average + (weight - average) * (1 - decay)

    def after_batch(self) -> None:
        """Update the average."""
        if self.training and self.average is not None:
            self.average.update_parameters(self.learn.model)

    def before_validate(self) -> None:
        """Load the average into the model."""
        model = self.learn.model
        self._trained = {name: value.clone() for name, value in model.state_dict().items()}
        if self.average is not None:
            model.load_state_dict(self.average.module.state_dict())

    def after_validate(self) -> None:
        """Load the trained weights again."""
        if self._trained is not None:
            self.learn.model.load_state_dict(self._trained)
            self._trained = None


class Checkpointer(Callback):  # type: ignore[misc]
    """Checkpoint of the best average so far and of the state to resume from, after each epoch."""

    order = 70

    def __init__(
        self,
        path: Path,
        ema: WeightEma,
        start: int,
        epochs: int,
        lr: float,
        best: dict[str, Any] | None = None,
    ) -> None:
        self.path, self.ema = path, ema
        self.start, self.epochs, self.lr = start, epochs, lr
        self.best: dict[str, Any] = best or {"accuracy": -1.0, "loss": float("inf"), "epoch": -1}

    def after_epoch(self) -> None:
        """Compare with the best average and replace the checkpoint."""
        if self.ema.average is None or len(self.learn.recorder.values) == 0:
            return
        _, loss, accuracy = self.learn.recorder.values[-1][:3]
        epoch = self.start + self.epoch
        if (accuracy, -loss) > (self.best["accuracy"], -self.best["loss"]):
            state = copy.deepcopy(self.ema.average.module.state_dict())
            self.best = {"accuracy": accuracy, "loss": loss, "epoch": epoch, "state": state}
        checkpoint = {
            "epochs": self.epochs,
            "next": epoch + 1,
            "lr": self.lr,
            "model": self.learn.model.state_dict(),
            "average": self.ema.average.state_dict(),
            "optimizer": _plain_optimizer_state(self.learn.opt.state_dict()),
            "best": self.best,
        }
        with (
            replace_atomically(self.path, durable=True) as temporary,
            temporary.open("wb") as file,
        ):
            torch.save(checkpoint, file)


class ProgressReporter(Callback):  # type: ignore[misc]
    """Reporter of progress, which ends the fit at the deadline (monotonic clock, seconds)."""

    order = 80

    def __init__(
        self, on_progress: OnProgress, deadline: float | None, start: int, epochs: int
    ) -> None:
        self.on_progress, self.deadline = on_progress, deadline
        self.start, self.epochs = start, epochs

    def after_batch(self) -> None:
        """Report the batch, and check the time."""
        if not self.training:
            return
        batches = len(self.dls.train)
        done = (self.start + self.epoch) * batches + self.iter + 1
        self.on_progress(TrainingProgress("Fine-tuning", done, self.epochs * batches))
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.on_progress(TrainingProgress("Fine-tuning", note="Time is up."))
            raise CancelFitException

    def after_epoch(self) -> None:
        """Report the accuracy."""
        if values := self.learn.recorder.values:
            note = (
                f"Epoch {self.start + self.epoch + 1} of {self.epochs}: "
                f"{values[-1][2]:.1%} of the held-out photos correct"
            )
            self.on_progress(TrainingProgress("Fine-tuning", note=note))


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the checkpoint in a file, or None if there is no valid one."""
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - torch raises many kinds; fine-tuning then starts over
        return None
    return checkpoint


def _plain_optimizer_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state without fastai's own types, so that it loads with ``weights_only``."""
    return {
        "state": [dict(entry) for entry in state["state"]],
        "hypers": [
            {
                name: float(value) if hasattr(value, "item") else value
                for name, value in group.items()
            }
            for group in state["hypers"]
        ],
    }
