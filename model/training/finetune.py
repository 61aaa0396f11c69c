"""Fine-tuning: fastai's loop from a fitted head, within a time limit, and its callbacks.

The callbacks: frozen batch norm, weight EMA, checkpoints with progress and early stop.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.learner import CancelFitException
from fastai.torch_core import set_seed
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ..events import Progress
from ..storage.disk import replace_atomically
from .config import Hyperparameters

CHECKPOINT_FILE = "checkpoint.pt"
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
EMA_DECAY = 0.99
PATIENCE_EPOCHS = 4
"""Epochs without a better accuracy after which a fit ends."""


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

    def __init__(self, learner: Any) -> None:
        self.average = AveragedModel(learner.model, learner.dls.device, self.blend)
        self._trained: dict[str, torch.Tensor] = {}

    def blend(self, average: Any, weight: Any, count: Any) -> Any:
        """Return the average of ``count`` sets of weights with one more added."""
        decay = min(EMA_DECAY, (1 + float(count)) / (10 + float(count)))
        return average + (weight - average) * (1 - decay)

    def after_batch(self) -> None:
        """Update the average."""
        if self.training:
            self.average.update_parameters(self.learn.model)

    def before_validate(self) -> None:
        """Load the average into the model."""
        model = self.learn.model
        self._trained = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.average.module.state_dict())

    def after_validate(self) -> None:
        """Load the trained weights again."""
        self.learn.model.load_state_dict(self._trained)


class Checkpointer(Callback):  # type: ignore[misc]
    """Checkpoint after each epoch of the best average so far and of the state to resume from.

    It also reports progress, and ends the fit at ``deadline`` (on the monotonic clock, in
    seconds) or when the accuracy stagnates. It runs last, so that the final epoch is saved.
    """

    order = 80

    def __init__(
        self,
        path: Path,
        ema: WeightEma,
        lr: float,
        best: dict[str, Any] | None,
        progress: Progress,
        deadline: float | None,
    ) -> None:
        self.path, self.ema, self.lr = path, ema, lr
        self.progress, self.deadline = progress, deadline
        self.best: dict[str, Any] = best or {"accuracy": -1.0, "loss": float("inf"), "epoch": -1}
        self._right = self._counted = 0

    def before_epoch(self) -> None:
        """Reset the counts of training photos and of correct ones."""
        self._right = self._counted = 0

    def after_batch(self) -> None:
        """Report the batch, and check the time."""
        if not self.training:
            return
        self._right += int((self.learn.pred.argmax(dim=1) == self.learn.yb[0]).sum())
        self._counted += len(self.learn.yb[0])
        batches = len(self.dls.train)
        done = self.epoch * batches + self.iter + 1
        self.progress.update("Fine-tuning", done, self.n_epoch * batches)
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.progress.note("Time is up.")
            raise CancelFitException

    def after_epoch(self) -> None:
        """Compare with the best average, replace the checkpoint and report the accuracy."""
        if not (values := self.learn.recorder.values[-1]):
            return  # skipped by a resumed fit
        _, loss, accuracy = values
        if (accuracy, -loss) > (self.best["accuracy"], -self.best["loss"]):
            state = copy.deepcopy(self.ema.average.module.state_dict())
            self.best = {"accuracy": accuracy, "loss": loss, "epoch": self.epoch, "state": state}
        checkpoint = {
            "epochs": self.n_epoch,
            "next": self.epoch + 1,
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
        values = {"number": self.epoch + 1.0, "held_out": float(accuracy), "loss": float(loss)}
        if self._counted:
            values["trained"] = self._right / self._counted
        self.progress.measure("epoch", values)
        self.progress.note(
            f"Epoch {self.epoch + 1} of {self.n_epoch}: {accuracy:.1%} of the held-out photos "
            "correct"
        )
        if self.epoch - self.best["epoch"] >= PATIENCE_EPOCHS:
            self.progress.note(f"No improvement for {PATIENCE_EPOCHS} epochs; stopping early.")
            raise CancelFitException


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


FROZEN_SHARE = 0.2
"""Share of the parameter tensors, the first ones, that keep their pretrained values. They
detect edges and colours, and training them would double the time of a step."""

MIN_LR, MAX_LR = 4e-4, 1e-3
"""Bounds of the learning rate, because ``lr_find`` is unreliable if the head already fits."""

LR_FIND_STEPS = 40
TIMING_STEPS = 8
"""Steps of ``lr_find`` if only the time of a step is needed."""


@dataclass(frozen=True, slots=True)
class FineTuneResult:
    """The best average of the weights: held-out accuracy, epoch (from 0), weights."""

    accuracy: float
    epoch: int
    epochs: int
    lr: float
    state: dict[str, torch.Tensor]


def fine_tune(
    build: Callable[[], Any],
    hyperparameters: Hyperparameters,
    epochs: int,
    run_dir: Path,
    *,
    seed: int = 0,
    deadline: float | None = None,
    progress: Progress,
) -> FineTuneResult | None:
    """Fine-tune a learner from the checkpoint in ``run_dir``, if there is one.

    Return None if there was no time for an epoch.

    Args:
        build: builds the ``Learner``, with the fitted head.
        epochs: the most epochs; fewer if time is short.
        seed: of Python, NumPy and torch.
        deadline: on the monotonic clock, seconds.
    """
    checkpoint = load_checkpoint(run_dir / CHECKPOINT_FILE)
    is_late = deadline is not None and time.monotonic() > deadline
    if not checkpoint and (is_late or not epochs):
        return None
    start, best = (checkpoint["next"], checkpoint["best"]) if checkpoint else (0, None)
    set_seed(seed + start)
    learner = build()
    parameters = list(learner.model.parameters())
    for parameter in parameters[: int(len(parameters) * FROZEN_SHARE)]:
        parameter.requires_grad_(False)
    learner.model.to(memory_format=torch.channels_last)
    ema = WeightEma(learner)
    with learner.no_bar(), learner.no_logging():
        if checkpoint:
            epochs, lr = checkpoint["epochs"], checkpoint["lr"]
            _restore(learner, ema, checkpoint)
        else:
            lr, seconds = _learning_rate(learner, hyperparameters, deadline is not None, progress)
            epochs = _affordable_epochs(learner, epochs, seconds, deadline)
        path = run_dir / CHECKPOINT_FILE
        checkpointer = Checkpointer(path, ema, lr, best, progress, deadline)
        has_stopped = best and start - 1 - best["epoch"] >= PATIENCE_EPOCHS
        if epochs > start and not has_stopped:
            learner.fit_one_cycle(
                epochs,
                lr,
                wd=hyperparameters.decay,
                cbs=[FrozenBatchNorm(), ema, checkpointer],
                start_epoch=start,
            )
    best = checkpointer.best
    if "state" not in best:
        return None
    return FineTuneResult(float(best["accuracy"]), int(best["epoch"]), epochs, lr, best["state"])


def _restore(learner: Any, ema: WeightEma, checkpoint: dict[str, Any]) -> None:
    """Load a checkpoint's weights, average and optimizer state."""
    # fastai moves the model when it begins to fit, but not the optimizer's state.
    device = learner.dls.device
    learner.model.to(device).load_state_dict(checkpoint["model"])
    ema.average.load_state_dict(checkpoint["average"])
    learner.create_opt()
    optimizer = checkpoint["optimizer"]
    optimizer["state"] = [
        {key: value.to(device) if hasattr(value, "to") else value for key, value in entry.items()}
        for entry in optimizer["state"]
    ]
    learner.opt.load_state_dict(optimizer)


def _learning_rate(
    learner: Any, hyperparameters: Hyperparameters, is_timed: bool, progress: Progress
) -> tuple[float, float]:
    """Return the learning rate, set or found, and, if ``is_timed``, the seconds per batch.

    Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017; fastai's
    *valley*.
    """
    if hyperparameters.lr is not None and not is_timed:
        return hyperparameters.lr, 0.0
    steps = LR_FIND_STEPS if hyperparameters.lr is None else TIMING_STEPS
    steps = min(steps, len(learner.dls.train) * 3)
    progress.update("Learning rate", 0, 0)
    began = time.monotonic()
    suggested = learner.lr_find(end_lr=0.1, num_it=steps, show_plot=False)
    seconds = (time.monotonic() - began) / max(1, len(learner.recorder.lrs))
    if hyperparameters.lr is not None:
        return hyperparameters.lr, seconds
    lr = float(np.clip(float(suggested.valley), MIN_LR, MAX_LR))
    progress.note(f"Learning rate {lr:.1e}")
    return lr, seconds


def _affordable_epochs(learner: Any, epochs: int, seconds: float, deadline: float | None) -> int:
    """Return how many epochs fit, because a cycle that is cut short ends with a bad model."""
    if deadline is None or not seconds:
        return epochs
    # Measuring a photo takes a third of the time of training on it.
    epoch_seconds = seconds * (len(learner.dls.train) + len(learner.dls.valid) / 3)
    return max(0, min(epochs, int((deadline - time.monotonic()) / epoch_seconds)))
