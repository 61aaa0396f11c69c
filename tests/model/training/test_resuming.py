"""Training runs that are stopped or killed, and resume."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.backup import back_up, restore
from model.bundle import get_bundle
from model.errors import DataError
from model.events import Progress
from model.settings import ROOT
from model.training.config import TrainingConfig
from model.training.run_record import list_runs, read_run
from model.training.train import train
from model.training.training_job import get_run_dir
from tests.model.tiny import tiny
from tests.model.training.conftest import run_train
from tests.model.training.pictures import LABELS, folder_of, parted
from tests.waiting import wait_until

pytestmark = pytest.mark.torch


# Early stopping is off: on a busy machine, the run could end before the signal arrives.
ENDLESS_COMMAND = """
from model.cli import main
from model.training import finetune

finetune.PATIENCE_EPOCHS = 10_000
main()
"""


class Interrupted(Progress):
    """Progress that raises an exception at a stage or note that contains a text."""

    def __init__(self, text: str, error: BaseException | None = None) -> None:
        self.text, self.error = text, error or KeyboardInterrupt()

    def update(self, stage: str, done: int, total: int) -> None:
        self.note(stage)

    def note(self, text: str) -> None:
        if self.text in text:
            raise self.error


def start_process(data: Path, *words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", ENDLESS_COMMAND, "train", *map(str, words)]
    env = {**os.environ, "LOUPE_DATA": str(data)}
    return subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.slow
def test_run_that_filled_the_disk_says_so_and_resumes_with_its_own_photos_only(
    tmp_path: Path, data_folder: Path
) -> None:
    folder = folder_of(tmp_path / "photos", 20)
    config = TrainingConfig.create(folder=folder, name="forms", image_size=64, epochs=0, keep=True)
    full_disk = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        train(config, progress=Interrupted("Features", full_disk))
    assert (read_run(1).state, read_run(1).error) == ("failed", "No space left on device.")
    (folder / "disc" / "3.jpg").rename(folder / "square" / "3-was-wrong.jpg")
    with pytest.raises(DataError, match="photos changed since this training run began"):
        train(config, resume=True)
    (folder / "square" / "3-was-wrong.jpg").rename(folder / "disc" / "3.jpg")
    # With the run's own options.
    output = run_train("--name", "forms", "--resume")
    assert "Visitors of the app still see imagenet first." in output
    bundle = get_bundle("forms")
    assert bundle.labels == LABELS
    ends = [(run.number, run.state, run.error, run.version) for run in list_runs()]
    assert ends == [(1, "done", "", bundle.version)]
    assert not get_run_dir("forms").exists()


@pytest.mark.slow
def test_killed_run_keeps_the_previous_model_and_resumes_from_a_backup(
    photos: Path, data_folder: Path, tmp_path: Path
) -> None:
    previous = tiny(data_folder / "models", "forms")
    words = (photos, "--name", "forms", "--size", "64", "--epochs", "200")
    process = start_process(data_folder, *words)

    def has_checkpoint() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return (get_run_dir("forms") / "checkpoint.pt").exists()

    # A loaded machine took more than 120 s to the first checkpoint.
    wait_until(has_checkpoint, 300)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert get_bundle("forms").version == previous.version
    assert "Add --resume" in run_train(*words, code=2)
    back_up(tmp_path / "b.zip")
    restore(tmp_path / "b.zip", tmp_path / "restored")
    process = start_process(tmp_path / "restored", "--name", "forms", "--resume")
    wait_for_epoch(process, 2)
    process.send_signal(signal.SIGINT)
    assert "Resume with: python -m model train --name forms --resume" in process.communicate()[0]
    assert process.returncode == 130
    assert get_bundle("forms").version == previous.version


def wait_for_epoch(process: "subprocess.Popen[str]", minimum: int) -> None:
    """Read the output up to an epoch, which must be ``minimum`` or later."""
    for line in process.stdout:
        if line.startswith("Epoch "):
            assert int(line.split()[1]) >= minimum, line
            return
    pytest.fail("the process ended without an epoch")


@pytest.mark.slow
def test_search_resumes_and_its_best_trial_is_used(tmp_path: Path, data_folder: Path) -> None:
    folder = parted(tmp_path / "photos", 12, 5)
    folder_of(folder / "test", 8, 9000)
    config = TrainingConfig.create(folder=folder, name="forms", image_size=64, epochs=1, search=9)
    with pytest.raises(KeyboardInterrupt):
        train(config, progress=Interrupted("Trial 1: "))
    # Little of the search is left, so that the first trial decides.
    run_dir = get_run_dir("forms")
    config.model_copy(update={"search": 0.001}).save(run_dir)
    notes, chosen = [], []

    class RecordedProgress(Progress):
        def note(self, text: str) -> None:
            notes.append(text)
            saved = TrainingConfig.load(run_dir)
            chosen.append(saved and saved.hyperparameters)

    bundle = train(config, resume=True, progress=RecordedProgress())
    assert any(note.startswith("Best of ") for note in notes)
    best = next(hyperparameters for hyperparameters in chosen if hyperparameters)
    assert best.lr == pytest.approx(4e-4)
    assert bundle.version == get_bundle("forms").version
    metrics = bundle.manifest.metrics
    tested = [(one.name, one.photos) for one in metrics if one.on == "the test folder"]
    assert tested == [("accuracy", 16)]
