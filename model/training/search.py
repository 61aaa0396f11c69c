"""``--search``: Optuna tries what fine-tuning may vary, on training photos alone."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .backbones import Backbone
from .config import Hyperparameters, TrainingConfig
from .finetune import fine_tune
from .probe import Probe, fit_probe
from .progress import TrainingProgress, Watch
from .stages import FEATURES, PreparedData, learner_with_head

__all__ = ["search"]

STORE = "search.sqlite"
EPOCHS = 2
"""Epochs of a trial: enough to tell a bad choice from a good one."""


def search(
    plan: TrainingConfig,
    values: dict[str, Any],
    chosen: Backbone,
    photos: PreparedData,
    state: Path,
    watch: Watch,
) -> Hyperparameters:
    """The best choice found in ``plan.search`` minutes; goes on with what an earlier call tried.

    A fifth of the training photos judges the trials: the held-out ones are for the
    card, and would flatter it if they had chosen this, too.

    Source: Optuna's tree-structured Parzen estimator (Bergstra et al., 2011). The
    first trial is what is used without a search.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        study_name=plan.name,
        storage=f"sqlite:///{state / STORE}",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=plan.seed),
    )
    inner, head = _inner(photos, plan.seed, state)
    deadline = time.monotonic() + plan.search * 60
    if not study.trials:
        usual = Hyperparameters(lr=4e-4).model_dump(exclude={"decay"})
        study.enqueue_trial(usual)

    def accuracy(trial: Any) -> float:
        hyper = _suggested(trial)
        folder = state / f"trial-{trial.number}"
        folder.mkdir(exist_ok=True)
        tuned = fine_tune(
            lambda: learner_with_head(values, chosen, inner, head, hyper, folder),
            hyper,
            EPOCHS,
            folder,
            seed=plan.seed,
            deadline=deadline,
            watch=lambda step: None,
        )
        for path in folder.iterdir():
            path.unlink() if path.is_file() else None
        if tuned is None:
            raise optuna.TrialPruned
        return tuned.accuracy

    def told(_: Any, trial: Any) -> None:
        left = max(0.0, deadline - time.monotonic())
        time_left = f"{left / 60:.0f} minutes" if left > 120 else f"{left:.0f} s"
        found = "not finished" if trial.value is None else f"{trial.value:.1%}"
        note = f"Trial {trial.number + 1}: {found} (on some training photos), {time_left} left"
        watch(TrainingProgress("Searching", note=note))

    study.optimize(accuracy, timeout=max(1.0, plan.search * 60), callbacks=[told])
    if not any(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials):
        watch(
            TrainingProgress("Searching", note="No trial was finished: the usual choice is used.")
        )
        return Hyperparameters()
    found = Hyperparameters.model_validate(study.best_params)
    watch(TrainingProgress("Searching", note=f"Best of {len(study.trials)} trials: {found}"))
    return found


def _suggested(trial: Any) -> Hyperparameters:
    return Hyperparameters(
        lr=trial.suggest_float("lr", 1e-4, 1e-3, log=True),
        magnitude=trial.suggest_int("magnitude", 0, 9),
        smoothing=trial.suggest_float("smoothing", 0.0, 0.2),
        drop_path=trial.suggest_float("drop_path", 0.0, 0.2),
        min_scale=trial.suggest_float("min_scale", 0.2, 0.9),
    )


def _inner(photos: PreparedData, seed: int, state: Path) -> tuple[PreparedData, Probe]:
    """A split of the training photos, near duplicates together, and a head fitted to its
    first part: the usual head has learnt the answers of both.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    targets = np.array(photos.targets)
    groups = np.array([photos.report.groups[one.name] for one in photos.split.train])
    folds = max(2, min(5, int(np.min(np.bincount(targets)))))
    maker = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    learn, judge = next(iter(maker.split(targets, targets, groups)))
    judged = replace(photos, copies=tuple(photos.copies[place] for place in judge))
    features = np.load(state / FEATURES, allow_pickle=False)
    head = fit_probe(features[learn], targets[learn], features[judge], targets[judge])
    inner = replace(
        photos,
        copies=tuple(photos.copies[place] for place in learn),
        targets=tuple(int(targets[place]) for place in learn),
        held_out=np.stack(list(judged.seen())),
        held_out_targets=tuple(int(targets[place]) for place in judge),
    )
    return inner, head
