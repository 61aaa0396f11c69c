"""Fine-tuning: fastai's loop from a fitted head, with a budget, an average and checkpoints."""

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
    CHECKPOINT,
    Checkpointer,
    FrozenBatchNorm,
    ProgressReporter,
    WeightEma,
    checkpoint,
)
from .config import Hyperparameters
from .progress import TrainingProgress, Watch

__all__ = ["FineTuneResult", "fine_tune", "set_seeds"]

FROZEN = 0.2
"""Share of the parameter tensors, the first ones, that stay as published. They see
edges and colours, and learning them again would double the time of a step."""

SLOWEST, FASTEST = 4e-4, 1e-3
"""Bounds of the learning rate: ``lr_find`` is unsure when the head fits already."""

PATIENCE = 4
FIND = 40
"""Steps of ``lr_find``."""
BRIEF = 8
"""Steps of it where only the time is asked for."""


@dataclass(frozen=True, slots=True)
class FineTuneResult:
    """The best average: accuracy on the held-out photos, its epoch (from 0), its weights."""

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
    hyper: Hyperparameters,
    epochs: int,
    state: Path,
    *,
    seed: int = 0,
    deadline: float | None = None,
    watch: Watch,
) -> FineTuneResult | None:
    """Fine-tune a learner; goes on where a former call in the same folder ended.

    Args:
        build: makes the ``Learner``, with the fitted head.
        hyper: what to vary.
        epochs: at most; fewer where the time would not do.
        state: the folder for checkpoints.
        deadline: on the monotonic clock, seconds.

    Returns:
        the best average, or None where there was no time for an epoch.
    """
    former = checkpoint(state / CHECKPOINT)
    late = deadline is not None and time.monotonic() > deadline
    if not former and (late or not epochs):
        return None
    start = former["next"] if former else 0
    set_seeds(seed + start)
    learner = build()
    _freeze_first(learner.model, FROZEN)
    learner.model.to(memory_format=torch.channels_last)
    averaged = WeightEma()
    with learner.no_bar(), learner.no_logging():
        if former:
            epochs, lr = former["epochs"], former["lr"]
            _go_on(learner, averaged, former)
        else:
            lr, seconds = _learning_rate(learner, hyper, deadline is not None, watch)
            epochs = _affordable(learner, epochs, seconds, deadline)
        saved = Checkpointer(
            state / CHECKPOINT, averaged, start, epochs, lr, former and former["best"]
        )
        if epochs > start and not _stopped(former):
            learner.fit(
                epochs - start,
                lr,
                wd=hyper.decay,
                cbs=[
                    _one_cycle(lr, start, epochs),
                    FrozenBatchNorm(),
                    averaged,
                    saved,
                    ProgressReporter(watch, deadline, start, epochs),
                    _stops_early(former, watch),
                ],
            )
    best = saved.best
    if "state" not in best:
        return None
    return FineTuneResult(float(best["accuracy"]), int(best["epoch"]), epochs, lr, best["state"])


def _one_cycle(lr: float, start: int, epochs: int) -> Any:
    """fastai's one-cycle policy, from epoch ``start`` of ``epochs`` on.

    ``fit_one_cycle`` has a ``start_epoch`` of its own, but reports epochs that it
    skipped as if they had happened, and early stopping then fails on them.
    """
    from fastai.callback.schedule import ParamScheduler, combined_cos

    whole = {
        "lr": combined_cos(0.25, lr / 25, lr, lr / 1e5),
        "mom": combined_cos(0.25, 0.95, 0.85, 0.95),
    }

    def rest(schedule: Callable[[float], float]) -> Callable[[float], float]:
        return lambda done: schedule((start + done * (epochs - start)) / epochs)

    return ParamScheduler({name: rest(schedule) for name, schedule in whole.items()})


def _stops_early(former: dict[str, Any] | None, watch: Watch) -> Any:
    """Stop once ``PATIENCE`` epochs were no better, counted from before a kill on."""
    from fastai.callback.core import CancelFitException
    from fastai.callback.tracker import EarlyStoppingCallback

    class StopsEarly(EarlyStoppingCallback):  # type: ignore[misc]
        """Last of all, so that the epoch that it stops after is compared and told, too."""

        order = 90

        def before_fit(self) -> None:
            super().before_fit()
            if former:
                self.best, self.wait = former["best"]["accuracy"], _waited(former)

        def after_epoch(self) -> None:
            try:
                # It prints epochs as it counts them itself.
                with redirect_stdout(StringIO()):
                    super().after_epoch()
            except CancelFitException:
                note = f"No better for {PATIENCE} epochs: it stops here."
                watch(TrainingProgress("Fine-tuning", note=note))
                raise

    return StopsEarly(monitor="accuracy", patience=PATIENCE)


def _waited(former: dict[str, Any]) -> int:
    """Epochs since the best one."""
    return int(former["next"] - 1 - former["best"]["epoch"])


def _stopped(former: dict[str, Any] | None) -> bool:
    return former is not None and _waited(former) >= PATIENCE


def _go_on(learner: Any, averaged: WeightEma, former: dict[str, Any]) -> None:
    """Take a checkpoint's weights, average and optimizer."""
    from torch.optim.swa_utils import AveragedModel

    # fastai moves the model when it begins to fit, but never what the optimizer remembers.
    device = learner.dls.device
    learner.model.to(device).load_state_dict(former["model"])
    averaged.average = AveragedModel(learner.model, avg_fn=averaged.blend)
    averaged.average.load_state_dict(former["average"])
    learner.create_opt()
    remembered = former["optimizer"]
    remembered["state"] = [
        {key: value.to(device) if hasattr(value, "to") else value for key, value in one.items()}
        for one in remembered["state"]
    ]
    learner.opt.load_state_dict(remembered)


def _freeze_first(model: nn.Module, share: float) -> None:
    parameters = list(model.parameters())
    for parameter in parameters[: int(len(parameters) * share)]:
        parameter.requires_grad_(False)


def _learning_rate(
    learner: Any, hyper: Hyperparameters, timed: bool, watch: Watch
) -> tuple[float, float]:
    """The rate, given or found, and where that is ``timed`` the seconds that a batch takes.

    Source: Smith, Cyclical Learning Rates, 2017; fastai's *valley*.
    """
    batches = len(learner.dls.train)
    if hyper.lr is not None and not timed:
        return hyper.lr, 0.0
    watch(TrainingProgress("Finding the learning rate"))
    steps = min(FIND if hyper.lr is None else BRIEF, batches * 3)
    began = time.monotonic()
    found = learner.lr_find(end_lr=0.1, num_it=steps, show_plot=False)
    seconds = (time.monotonic() - began) / max(1, len(learner.recorder.lrs))
    if hyper.lr is not None:
        return hyper.lr, seconds
    lr = float(np.clip(float(found.valley), SLOWEST, FASTEST))
    watch(TrainingProgress("Finding the learning rate", note=f"Learning rate {lr:.1e}"))
    return lr, seconds


def _affordable(learner: Any, epochs: int, seconds: float, deadline: float | None) -> int:
    """As many epochs as the time is likely to allow: a cycle that is cut short ends badly."""
    if deadline is None or not seconds:
        return epochs
    # A third of a training step for a photo that is only measured.
    each = seconds * (len(learner.dls.train) + len(learner.dls.valid) / 3)
    return max(0, min(epochs, int((deadline - time.monotonic()) / each)))
