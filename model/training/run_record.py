"""Records of training runs: parameters, photos, stages, curves, trials and metrics of each."""

import math
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..bundle import Bundle, Metric, current_version, open_version
from ..bundle.versions import add_version, set_current
from ..errors import BundleError, describe_failure
from ..events import SILENT, Progress
from ..settings import settings
from ..storage.disk import make_folder, publish_folder, replace_atomically
from .config import TrainingConfig

RECORD_FILE = "run.json"
PREDICTIONS_FILE = "predictions.npz"
"""Predictions for the photos that a run was measured on, beside its record."""

WRITE_SECONDS = 1.0
"""Shortest time between two writes during a stage, in seconds."""

MAX_NOTES = 200

CHECK = 0
"""Number of the record of the last check of a photo set; runs count from 1."""

HIDDEN = {"folder", "also", "unknown", "models_dir", "changes", "command", "run"}
"""Configuration fields that ``parameters`` leaves out: paths, and what is not a parameter."""

State = Literal["running", "stopped", "failed", "done"]


class Stage(BaseModel):
    """A stage: seconds so far, steps done and in total; a total of 0 means not counted."""

    name: str
    seconds: float = 0.0
    done: int = 0
    total: int = 0


class RunRecord(BaseModel):
    """The record of a training run, or of a check of a photo set.

    Attributes:
        number: from 1 in each data folder, or ``CHECK``.
        state: stays "running" if the process was killed; see ``state_now``.
        parameters: the configuration without paths.
        photos: SHA-256 of the photos' hashes, labels and parts, "" until they are read.
        counts: numbers of training, held-out and test photos, and of labels.
        epochs: by epoch, the accuracy on training and on held-out photos, and the loss.
        trials: of a search; ``value`` is the accuracy, missing if the trial did not finish.
        metrics: those in the version's manifest.
    """

    model_config = ConfigDict(extra="forbid")

    number: int
    model: str
    photo_set: str = ""
    started: datetime
    state: State = "running"
    error: str = ""
    command: str = ""
    parameters: dict[str, str | float | int | bool | None] = {}
    photos: str = ""
    counts: dict[str, int] = {}
    stages: list[Stage] = []
    epochs: list[dict[str, float]] = []
    trials: list[dict[str, float]] = []
    metrics: list[Metric] = []
    version: str = ""
    notes: list[str] = []

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return runs_folder() / str(self.number)

    @property
    def seconds(self) -> float:
        """The time of all stages, in seconds; pauses between a stop and a resume do not count."""
        return sum(stage.seconds for stage in self.stages)

    def state_now(self, training: str | None) -> State:
        """Return the state; "stopped" if the process of a "running" record was killed.

        ``training`` is the model that is trained now, None if none is.
        """
        return "stopped" if self.state == "running" and training != self.model else self.state

    def metric(self, name: str) -> Metric | None:
        """Return the first metric of that name, None if it was not measured."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    @property
    def models_dir(self) -> Path:
        """The folder of a model's first version, which visitors only get once it is published."""
        return self.folder / "models"

    def open_bundle(self) -> Bundle | None:
        """Return the version that the run made; None if there is none, or it was deleted."""
        own = self.models_dir / self.model / self.version
        with suppress(BundleError):
            if self.version:
                return Bundle.open(own) if own.is_dir() else open_version(self.model, self.version)
        return None

    def move_bundle(self) -> Bundle:
        """Move the run's version to the model's folder, unless it is there, and return it.

        A model's first version becomes its current one.

        Raises:
            BundleError: the version was deleted or cannot be opened.
            OSError: the version cannot be moved.
        """
        own = self.models_dir / self.model / self.version
        target = settings().data / "models" / self.model / self.version

        def fill(new: Path) -> Path:
            shutil.copytree(own, new, dirs_exist_ok=True)
            return target

        if own.is_dir():
            publish_folder(target.parents[1], fill, add_version)
            if current_version(target.parent) is None:
                set_current(target.parent, self.version)
            shutil.rmtree(self.models_dir, ignore_errors=True)
        return open_version(self.model, self.version)

    def save(self) -> None:
        """Write the record into its folder."""
        with replace_atomically(self.folder / RECORD_FILE) as temporary:
            temporary.write_text(self.model_dump_json(indent=1), encoding="utf-8")


def runs_folder() -> Path:
    """Return the folder with a folder per run."""
    return settings().data / "runs"


def create_run(config: TrainingConfig) -> RunRecord:
    """Create a run's folder and record, with the next number."""
    make_folder(runs_folder())
    number = max(_run_numbers(), default=CHECK) + 1
    (runs_folder() / str(number)).mkdir(0o700)
    parameters = config.model_dump(mode="json", exclude=HIDDEN | {"name", "hyperparameters"})
    record = RunRecord(
        number=number,
        model=config.name,
        photo_set=config.photo_set,
        started=datetime.now(UTC),
        command=config.command,
        parameters=parameters,
    )
    record.save()
    return record


def list_runs() -> list[RunRecord]:
    """Return the readable records of all runs, the newest first."""
    numbers = sorted({*_run_numbers()} - {CHECK}, reverse=True)
    return [record for number in numbers if (record := read_run(number))]


def read_run(number: int) -> RunRecord | None:
    """Return a run's record, None if it is missing or damaged."""
    try:
        text = (runs_folder() / str(number) / RECORD_FILE).read_bytes()
        return RunRecord.model_validate_json(text)
    except (OSError, ValueError):
        return None


def delete_run(record: RunRecord) -> None:
    """Delete a run's folder, with a model's first version if that was never published."""
    shutil.rmtree(record.folder, ignore_errors=True)


def _run_numbers() -> list[int]:
    names = [path.name for path in runs_folder().glob("*")]
    return [int(name) for name in names if name.isascii() and name.isdecimal()]


class RunRecorder(Progress):
    """Progress that also writes a run's record.

    As a context manager, it records how the run ends.

    Args:
        record: continued if the run is resumed.
        progress: gets every report as well.
    """

    def __init__(self, record: RunRecord, progress: Progress = SILENT) -> None:
        self.record, self.progress = record, progress
        self._stage: Stage | None = None
        self._began = self._before = self._written = 0.0

    def __enter__(self) -> "RunRecorder":
        self.record.state, self.record.error = "running", ""
        self.record.save()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            is_stop = isinstance(error, KeyboardInterrupt)
            self.record.state = "stopped" if is_stop else "failed"
            self.record.error = "" if is_stop else describe_failure(error)
        self._time()
        try:
            self.record.save()
        except OSError:
            if error is None:
                raise

    def update(self, stage: str, done: int, total: int) -> None:
        """Record a stage's progress; a stage that begins again adds to its time."""
        if self._stage is None or stage != self._stage.name:
            self._time()
            stages = self.record.stages
            self._stage = next((one for one in stages if one.name == stage), None)
            if self._stage is None:
                self._stage = Stage(name=stage)
                stages.append(self._stage)
            self._began, self._before = time.monotonic(), self._stage.seconds
            self._written = 0.0
        self._stage.done, self._stage.total = done, total
        self._save_periodically()
        self.progress.update(stage, done, total)

    def note(self, text: str) -> None:
        """Record a line of text."""
        self.record.notes = [*self.record.notes, text][-MAX_NOTES:]
        self._save_periodically()
        self.progress.note(text)

    def measure(self, step: str, values: Mapping[str, float]) -> None:
        """Record an epoch or trial, in place of one with the same number."""
        rows = self.record.trials if step == "trial" else self.record.epochs
        # JSON has neither NaN nor infinity, such as the loss of a run that diverged.
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        rows[:] = [row for row in rows if row["number"] != values["number"]] + [finite]
        self._time()
        self.record.save()
        self.progress.measure(step, values)

    def finish(self, bundle: Bundle) -> None:
        """Record that the run is done, with its version and metrics."""
        self.record.state, self.record.version = "done", bundle.version
        self.record.metrics = list(bundle.manifest.metrics)

    def _time(self) -> None:
        if self._stage:
            self._stage.seconds = self._before + time.monotonic() - self._began

    def _save_periodically(self) -> None:
        if time.monotonic() - self._written > WRITE_SECONDS:
            self._time()
            self.record.save()
            self._written = time.monotonic()
