"""Fine-tuning: fastai's loop from a fitted head, within a time limit, with checkpoints."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.torch_core import set_seed

from ..progress import Progress
from .callbacks import (
    CHECKPOINT_FILE,
    PATIENCE_EPOCHS,
    Checkpointer,
    FrozenBatchNorm,
    WeightEma,
    load_checkpoint,
)
from .config import Hyperparameters

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
    """Fine-tune a learner, continuing from the checkpoint in ``run_dir`` if there is one.

    Args:
        build: builds the ``Learner``, with the fitted head.
        hyperparameters: learning rate and weight decay.
        epochs: the most epochs; fewer if time is short.
        run_dir: the folder for checkpoints.
        seed: of Python, NumPy and torch.
        deadline: on the monotonic clock, seconds.
        progress: told of each batch and epoch.

    Returns:
        The best average, or None if there was no time for an epoch.
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
