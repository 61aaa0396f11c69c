"""Fine-tuning: fastai's loop from a fitted head, within a time limit, with checkpoints."""

import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .callbacks import (
    CHECKPOINT_FILE,
    Checkpointer,
    FrozenBatchNorm,
    ProgressReporter,
    WeightEma,
    load_checkpoint,
)
from .config import Hyperparameters
from .progress import OnProgress, TrainingProgress

__all__ = ["FineTuneResult", "fine_tune", "set_seeds"]

FROZEN_SHARE = 0.2
"""Share of the parameter tensors, the first ones, that keep their pretrained values. They
detect edges and colours, and training them would double the time of a step."""

MIN_LR, MAX_LR = 4e-4, 1e-3
"""Bounds of the learning rate, because ``lr_find`` is unreliable if the head already fits."""

PATIENCE_EPOCHS = 4
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


def set_seeds(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    from fastai.torch_core import set_seed

    set_seed(seed)


def fine_tune(
    build: Callable[[], Any],
    hyperparameters: Hyperparameters,
    epochs: int,
    run_dir: Path,
    *,
    seed: int = 0,
    deadline: float | None = None,
    on_progress: OnProgress,
) -> FineTuneResult | None:
    """Fine-tune a learner, continuing from the checkpoint in ``run_dir`` if there is one.

    Args:
        build: builds the ``Learner``, with the fitted head.
        hyperparameters: learning rate and weight decay.
        epochs: the most epochs; fewer if time is short.
        run_dir: the folder for checkpoints.
        seed: of Python, NumPy and torch.
        deadline: on the monotonic clock, seconds.
        on_progress: called after each batch and epoch.

    Returns:
        The best average, or None if there was no time for an epoch.
    """
    checkpoint = load_checkpoint(run_dir / CHECKPOINT_FILE)
    is_late = deadline is not None and time.monotonic() > deadline
    if not checkpoint and (is_late or not epochs):
        return None
    start = checkpoint["next"] if checkpoint else 0
    set_seeds(seed + start)
    learner = build()
    _freeze_first(learner.model, FROZEN_SHARE)
    learner.model.to(memory_format=torch.channels_last)
    ema = WeightEma()
    with learner.no_bar(), learner.no_logging():
        if checkpoint:
            epochs, lr = checkpoint["epochs"], checkpoint["lr"]
            _restore(learner, ema, checkpoint)
        else:
            is_timed = deadline is not None
            lr, seconds = _learning_rate(learner, hyperparameters, is_timed, on_progress)
            epochs = _affordable_epochs(learner, epochs, seconds, deadline)
        best = checkpoint and checkpoint["best"]
        checkpointer = Checkpointer(run_dir / CHECKPOINT_FILE, ema, start, epochs, lr, best)
        if epochs > start and not _has_stopped(checkpoint):
            learner.fit(
                epochs - start,
                lr,
                wd=hyperparameters.decay,
                cbs=[
                    _one_cycle(lr, start, epochs),
                    FrozenBatchNorm(),
                    ema,
                    checkpointer,
                    ProgressReporter(on_progress, deadline, start, epochs),
                    _early_stopping(checkpoint, on_progress),
                ],
            )
    best = checkpointer.best
    if "state" not in best:
        return None
    return FineTuneResult(float(best["accuracy"]), int(best["epoch"]), epochs, lr, best["state"])


def _one_cycle(lr: float, start: int, epochs: int) -> Any:
    """Return fastai's one-cycle schedule, from epoch ``start`` of ``epochs`` on.

    ``fit_one_cycle`` has a ``start_epoch`` of its own, but reports the epochs that it
    skips as if they had happened, and early stopping then fails on them.
    """
    from fastai.callback.schedule import ParamScheduler, combined_cos

    schedules = {
        "lr": combined_cos(0.25, lr / 25, lr, lr / 1e5),
        "mom": combined_cos(0.25, 0.95, 0.85, 0.95),
    }

    def from_start(schedule: Callable[[float], float]) -> Callable[[float], float]:
        return lambda done: schedule((start + done * (epochs - start)) / epochs)

    return ParamScheduler({name: from_start(schedule) for name, schedule in schedules.items()})


def _early_stopping(checkpoint: dict[str, Any] | None, on_progress: OnProgress) -> Any:
    """Return a callback that stops after ``PATIENCE_EPOCHS`` without improvement.

    Epochs before a resume count as well.
    """
    from fastai.callback.core import CancelFitException
    from fastai.callback.tracker import EarlyStoppingCallback

    class EarlyStopping(EarlyStoppingCallback):  # type: ignore[misc]
        """Callback that runs last, so that the final epoch is checkpointed and reported."""

        order = 90

        def before_fit(self) -> None:
            super().before_fit()
            if checkpoint:
                self.best = checkpoint["best"]["accuracy"]
                self.wait = _epochs_since_best(checkpoint)

        def after_epoch(self) -> None:
            try:
                # fastai prints the epoch, counted from the last resume.
                with redirect_stdout(StringIO()):
                    super().after_epoch()
            except CancelFitException:
                note = f"No improvement for {PATIENCE_EPOCHS} epochs; stopping early."
                on_progress(TrainingProgress("Fine-tuning", note=note))
                raise

    return EarlyStopping(monitor="accuracy", patience=PATIENCE_EPOCHS)


def _epochs_since_best(checkpoint: dict[str, Any]) -> int:
    return int(checkpoint["next"] - 1 - checkpoint["best"]["epoch"])


def _has_stopped(checkpoint: dict[str, Any] | None) -> bool:
    return checkpoint is not None and _epochs_since_best(checkpoint) >= PATIENCE_EPOCHS


def _restore(learner: Any, ema: WeightEma, checkpoint: dict[str, Any]) -> None:
    """Load a checkpoint's weights, average and optimizer state."""
    from torch.optim.swa_utils import AveragedModel

    # fastai moves the model when it begins to fit, but not the optimizer's state.
    device = learner.dls.device
    learner.model.to(device).load_state_dict(checkpoint["model"])
    ema.average = AveragedModel(learner.model, avg_fn=ema.blend)
    ema.average.load_state_dict(checkpoint["average"])
    learner.create_opt()
    optimizer = checkpoint["optimizer"]
    optimizer["state"] = [
        {key: value.to(device) if hasattr(value, "to") else value for key, value in entry.items()}
        for entry in optimizer["state"]
    ]
    learner.opt.load_state_dict(optimizer)


def _freeze_first(model: nn.Module, share: float) -> None:
    parameters = list(model.parameters())
    for parameter in parameters[: int(len(parameters) * share)]:
        parameter.requires_grad_(False)


def _learning_rate(
    learner: Any, hyperparameters: Hyperparameters, is_timed: bool, on_progress: OnProgress
) -> tuple[float, float]:
    """Return the learning rate, set or found, and, if ``is_timed``, the seconds per batch.

    Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017; fastai's
    *valley*.
    """
    if hyperparameters.lr is not None and not is_timed:
        return hyperparameters.lr, 0.0
    on_progress(TrainingProgress("Finding the learning rate"))
    steps = LR_FIND_STEPS if hyperparameters.lr is None else TIMING_STEPS
    steps = min(steps, len(learner.dls.train) * 3)
    began = time.monotonic()
    suggested = learner.lr_find(end_lr=0.1, num_it=steps, show_plot=False)
    seconds = (time.monotonic() - began) / max(1, len(learner.recorder.lrs))
    if hyperparameters.lr is not None:
        return hyperparameters.lr, seconds
    lr = float(np.clip(float(suggested.valley), MIN_LR, MAX_LR))
    on_progress(TrainingProgress("Finding the learning rate", note=f"Learning rate {lr:.1e}"))
    return lr, seconds


def _affordable_epochs(learner: Any, epochs: int, seconds: float, deadline: float | None) -> int:
    """Return how many epochs fit, because a cycle that is cut short ends with a bad model."""
    if deadline is None or not seconds:
        return epochs
    # Measuring a photo takes a third of the time of training on it.
    epoch_seconds = seconds * (len(learner.dls.train) + len(learner.dls.valid) / 3)
    return max(0, min(epochs, int((deadline - time.monotonic()) / epoch_seconds)))
