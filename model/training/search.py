"""``--search``: tune hyperparameters with Optuna, on training photos alone."""

import shutil
import time
from dataclasses import replace
from typing import Any

import numpy as np

from ..calibration.fit import split_folds
from ..events import SILENT
from .config import Hyperparameters
from .finetune import fine_tune
from .prepare import PreparedData
from .probe import Probe, fit_probe
from .training_run import TrainingRun

STUDY_FILE = "search.sqlite"
TRIAL_EPOCHS = 2
"""Epochs of a trial, enough to tell a bad choice from a good one."""


def search_hyperparameters(run: TrainingRun) -> Hyperparameters:
    """Return the best hyperparameters found in the search time, earlier calls included.

    Trials are scored on a fifth of the training photos, because choosing hyperparameters on
    the held-out photos would make the card's figures too good.

    Source: Optuna's tree-structured Parzen estimator (Bergstra et al., Algorithms for
    Hyper-Parameter Optimization, 2011). The first trial uses the defaults.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        study_name=run.config.name,
        storage=f"sqlite:///{run.run_dir / STUDY_FILE}",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=run.config.seed),
    )
    if (inner_split := _inner_split(run)) is None:
        run.progress.note("Too few different photos to search hyperparameters; using defaults.")
        return Hyperparameters()
    inner_data, probe = inner_split
    search_seconds = run.config.search * 60
    deadline = time.monotonic() + search_seconds
    if not study.trials:
        study.enqueue_trial(Hyperparameters(lr=4e-4).model_dump(exclude={"decay"}))

    def run_trial(trial: Any) -> float:
        done = search_seconds - max(0.0, deadline - time.monotonic())
        run.progress.update("Searching", round(done), round(search_seconds))
        hyperparameters = _suggest(trial)
        folder = run.run_dir / f"trial-{trial.number}"
        folder.mkdir(exist_ok=True)
        inner = replace(run, data=inner_data, run_dir=folder, progress=SILENT)
        tuned = fine_tune(
            lambda: inner.build_learner(probe, hyperparameters),
            hyperparameters,
            TRIAL_EPOCHS,
            folder,
            seed=run.config.seed,
            deadline=deadline,
            progress=SILENT,
        )
        shutil.rmtree(folder, ignore_errors=True)
        if tuned is None:
            raise optuna.TrialPruned
        return tuned.accuracy

    def report_trial(_: Any, trial: Any) -> None:
        seconds = max(0.0, deadline - time.monotonic())
        time_left = f"{seconds / 60:.0f} minutes" if seconds > 120 else f"{seconds:.0f} s"
        row = {"number": trial.number + 1.0, **trial.params}
        run.progress.measure("trial", row if trial.value is None else {**row, "value": trial.value})
        value = "not finished" if trial.value is None else f"{trial.value:.1%}"
        run.progress.note(
            f"Trial {trial.number + 1}: {value} (on some training photos), {time_left} left"
        )

    study.optimize(run_trial, timeout=max(1.0, search_seconds), callbacks=[report_trial])
    if not any(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials):
        run.progress.note("No trial finished; using the default hyperparameters.")
        return Hyperparameters()
    best = Hyperparameters.model_validate(study.best_params)
    run.progress.note(f"Best of {len(study.trials)} trials: {best}")
    return best


def _suggest(trial: Any) -> Hyperparameters:
    return Hyperparameters(
        lr=trial.suggest_float("lr", 1e-4, 1e-3, log=True),
        magnitude=trial.suggest_int("magnitude", 0, 9),
        smoothing=trial.suggest_float("smoothing", 0.0, 0.2),
        drop_path=trial.suggest_float("drop_path", 0.0, 0.2),
        min_scale=trial.suggest_float("min_scale", 0.2, 0.9),
    )


def _inner_split(run: TrainingRun) -> tuple[PreparedData, Probe] | None:
    """Split the training photos, near duplicates together, and fit a probe to the first part.

    The run's own probe was fitted to the labels of both parts. Returns None if too few photos
    differ, or the first part would lack a label.
    """
    data = run.data
    targets = np.array(data.targets)
    groups = np.array([data.report.groups[photo.name] for photo in data.split.train])
    folds = min(5, int(np.min(np.bincount(targets))), len(np.unique(groups)))
    if folds < 2:
        return None
    inside, outside = next(split_folds(targets, groups, run.config.seed, folds))
    if len(np.unique(targets[inside])) < len(data.split.labels):
        return None
    outer_data = replace(data, copies=[data.copies[place] for place in outside])
    features, _ = run.load_features()
    inside_targets, outside_targets = targets[inside].tolist(), targets[outside].tolist()
    probe = fit_probe(features[inside], inside_targets)
    inner_data = replace(
        data,
        copies=[data.copies[place] for place in inside],
        targets=inside_targets,
        held_out=np.stack(list(outer_data.training_pixels())),
        held_out_targets=outside_targets,
    )
    return inner_data, probe
