"""Train a model on a folder of photos, measure it and publish it; resumable at any point."""

import shutil
import time
from pathlib import Path

from filelock import FileLock, Timeout

from ..bundle import Bundle
from ..errors import DataError, EngineUnavailable
from ..progress import SILENT, Progress
from ..settings import settings
from ..storage.disk import make_folder, require_writable, translate_disk_errors
from .config import CONFIG_FILE, Hyperparameters, TrainingConfig
from .finetune import fine_tune
from .publication import Publication
from .search import search_hyperparameters
from .training_run import TrainingRun

LOCK_FILE = ".lock"
RESERVE_SECONDS = 45.0
"""Time for the steps after fine-tuning, except running the graph on every photo, in seconds."""


def get_run_dir(name: str) -> Path:
    """Return the folder with everything that resuming the run of that name needs."""
    return settings().data / "training" / name


def train(config: TrainingConfig, *, resume: bool = False, progress: Progress = SILENT) -> Bundle:
    """Train, measure and publish a model.

    Args:
        config: what to train. With ``resume``, only its ``minutes`` count, and the
            unfinished run's own configuration is used.
        resume: continue the unfinished run of that name.
        progress: told of the run's progress.

    Raises:
        DataError: the photos, the backbone's name or an unfinished run don't allow it.
        EngineUnavailable: pretrained weights are neither installed nor downloadable.
        OSError: a folder can't be written to, or its disk is full.
    """
    run_dir = get_run_dir(config.name)
    if resume:
        if (saved := TrainingConfig.load(run_dir)) is None:
            raise DataError(
                f"There is no unfinished training run of {config.name!r} to resume. Start one "
                f"without --resume: python -m model train FOLDER --name {config.name}"
            )
        # Only the time may change: what the run has saved depends on all other options.
        config = saved.model_copy(update={"minutes": config.minutes or saved.minutes})
    models_dir = config.models_dir or settings().data / "models"
    require_writable(models_dir)
    make_folder(run_dir)
    try:
        with FileLock(run_dir / LOCK_FILE, timeout=0), translate_disk_errors(run_dir):
            if not resume:
                _start_over(config, run_dir)
            bundle = _train(config, run_dir, models_dir, resume, progress)
            # With its lock, while that is held: afterwards it may be another process's.
            shutil.rmtree(run_dir, ignore_errors=True)
            return bundle
    except Timeout:
        raise DataError(
            f"Another process is training {config.name!r}. Wait until it is done."
        ) from None


def _start_over(config: TrainingConfig, run_dir: Path) -> None:
    """Save the configuration in an empty folder.

    Raises:
        DataError: the folder has an unfinished run.
    """
    if (run_dir / CONFIG_FILE).exists():
        raise DataError(
            f"An unfinished run of {config.name!r} exists. Add --resume to continue it, or "
            f"delete {run_dir} to start over."
        )
    for path in run_dir.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK_FILE:
            path.unlink()
    config.save(run_dir)


def _train(
    config: TrainingConfig, run_dir: Path, models_dir: Path, resume: bool, progress: Progress
) -> Bundle:
    began = time.monotonic()
    try:
        run = TrainingRun.prepare(config, run_dir, progress)
        probe = run.fit_probe()
    except (DataError, EngineUnavailable):
        if not resume:
            # Nothing was trained yet; without the folder, the corrected command needs no --resume.
            shutil.rmtree(run_dir, ignore_errors=True)
        raise
    preparing_seconds = time.monotonic() - began
    hyperparameters = config.hyperparameters or Hyperparameters()
    if config.search and not config.hyperparameters:
        progress.update("Searching", 0, 0)
        hyperparameters = search_hyperparameters(run)
        config.model_copy(update={"hyperparameters": hyperparameters}).save(run_dir)
    deadline = None
    if config.minutes is not None:
        total_seconds = config.minutes * 60
        reserve = min(RESERVE_SECONDS, total_seconds / 4) + preparing_seconds / 2
        deadline = began + total_seconds - reserve
    candidate = fine_tune(
        lambda: run.build_learner(probe, hyperparameters),
        hyperparameters,
        run.epochs,
        run_dir,
        seed=config.seed,
        deadline=deadline,
        progress=progress,
    )
    tuned = run.choose(probe, candidate)
    publication = Publication(run, tuned, has_choice=candidate is not None)
    if publication.is_pooled:
        probe = run.fit_to_all()
    learner = run.build_learner(probe, hyperparameters)
    if tuned:
        learner.model.load_state_dict(tuned.state)
    learner.model.eval().cpu()
    return publication.publish(learner, models_dir)
