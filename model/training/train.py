"""Train a model on a folder of photos, measure it and publish it; resumable at any point."""

import shutil
import time
from pathlib import Path

from ..bundle import Bundle, check_name, list_models
from ..errors import DataError, EngineUnavailable
from ..events import SILENT, Progress
from ..settings import settings
from ..storage.disk import make_folder, require_writable, translate_disk_errors
from .config import CACHES, CONFIG_FILE, Hyperparameters, TrainingConfig
from .run_record import RunRecorder, create_run, read_run
from .training_job import get_run_dir, training_lock

RESERVE_SECONDS = 45.0
"""Time for the steps after fine-tuning, except running the graph on every photo, in seconds."""


def train(config: TrainingConfig, *, resume: bool = False, progress: Progress = SILENT) -> Bundle:
    """Train, measure and publish a model.

    With ``resume``, only the configuration's ``minutes`` count; all else is the unfinished run's.

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
    else:
        check_name(config.name, {config.photo_set})
    models_dir = config.models_dir or settings().data / "models"
    require_writable(models_dir)
    with training_lock(config.name):
        make_folder(run_dir)
        record = read_run(config.run) if resume and config.run else None
        if not resume:
            _clear_run_dir(config, run_dir)
        if record is None:
            record = create_run(config)
            config = config.model_copy(update={"run": record.number})
            config.save(run_dir)
        if config.photo_set and config.candidate and config.name not in list_models():
            models_dir = record.models_dir
        with RunRecorder(record, progress) as recorder, translate_disk_errors(run_dir):
            recorder.update("Starting", 0, 0)
            bundle = _train(config, run_dir, models_dir, resume, recorder)
            recorder.finish(bundle)
            # While the lock is held: afterwards, the folder may be another process's.
            shutil.rmtree(run_dir, ignore_errors=True)
    return bundle


def _clear_run_dir(config: TrainingConfig, run_dir: Path) -> None:
    """Empty a run's folder, except ``CACHES``."""
    if (run_dir / CONFIG_FILE).exists():
        raise DataError(
            f"An unfinished run of {config.name!r} exists. Add --resume to continue it, or "
            f"delete {run_dir} to start over."
        )
    for path in run_dir.iterdir():
        if path.name in CACHES:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _train(
    config: TrainingConfig, run_dir: Path, models_dir: Path, resume: bool, progress: RunRecorder
) -> Bundle:
    # Imported after the lock is taken, since importing torch takes seconds.
    from .finetune import fine_tune
    from .publication import Publication
    from .search import search_hyperparameters
    from .training_run import TrainingRun

    began = time.monotonic()
    try:
        run = TrainingRun.prepare(config, run_dir, progress)
        run.describe(progress.record)
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
