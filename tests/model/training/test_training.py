"""Training runs: photos go in, a measured model comes out; kills, resuming, time limits."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model import Bundle, load
from model.bundle import get_bundle, read_samples, read_small_card
from model.calibration.cross_validation import MEASURED_BY
from model.errors import DataError
from model.settings import ROOT
from tests.model import command
from tests.model.tiny import tiny
from tests.model.training.pictures import LABELS, folder_of, parted, picture
from tests.waiting import wait_until

pytestmark = [pytest.mark.torch, pytest.mark.timeout(240)]
QUICK = ("--size", "64", "--epochs", "1")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parted(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of neither label."""
    from tests.photos import drawn

    folder = tmp_path_factory.mktemp("noise")
    for number in range(50):
        drawn(80, 80, number).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def trained(
    photos: Path, noise: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bundle, str]:
    models = tmp_path_factory.mktemp("models")
    code, output = run(
        "train", photos, "--name", "forms", *QUICK, "--unknown", noise, "--to", models
    )
    assert code == 0, output
    return Bundle.open(next((models / "forms").glob("*/bundle.json")).parent), output


def run(*words: object) -> tuple[int, str]:
    result = command.run(*words)
    return result.exit_code, result.output


# Without early stopping, since on a busy machine a run could end before the signal.
ENDLESS_COMMAND = """
from model.cli import main
from model.training import callbacks, finetune

callbacks.PATIENCE_EPOCHS = finetune.PATIENCE_EPOCHS = 10_000
main()
"""


def start_process(data: Path, *words: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", ENDLESS_COMMAND, "train", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "LOUPE_DATA": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# The model


@pytest.mark.slow
def test_trained_model_tells_discs_from_squares(trained: tuple[Bundle, str]) -> None:
    bundle, output = trained
    accuracy = bundle.manifest.metric("accuracy")
    assert bundle.labels == LABELS
    assert accuracy
    assert accuracy.photos == 60
    assert accuracy.value > 0.8
    assert f"{accuracy.value:.1%} of 60 photos correct" in output
    assert "60 photos to train on, 60 held out (split by the dataset's own folders)" in output
    assert "of 50 out-of-distribution photos (other photos)" in output
    stages = re.findall(r"^(\d+)\. ([A-Z][a-z -]+)$", output, re.MULTILINE)
    assert [number for number, _ in stages] == [str(place + 1) for place in range(len(stages))]
    assert ("5", "Fine-tuning") in stages
    assert stages[-1][1] == "Calibrating"


@pytest.mark.slow
def test_card_has_the_figures_of_the_held_out_photos(trained: tuple[Bundle, str]) -> None:
    manifest = trained[0].manifest
    assert manifest.card
    assert manifest.calibration
    assert manifest.card.photos == 60
    assert manifest.card.on == "held-out photos, split by the dataset's own folders"
    assert manifest.card.ood_sets[0].photos == 50
    assert manifest.card.seed == 0
    assert [row.name for row in manifest.card.detectors if row.selected] == [
        manifest.calibration.ood_detector
    ]
    assert manifest.provenance["seed"] == "0"
    assert {"torch", "fastai", "timm"} <= set(manifest.provenance)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["compiled", "learner"])
def test_both_engines_pass_the_golden_test(engine: str, trained: tuple[Bundle, str]) -> None:
    from model import Classifier
    from model.engines import start

    classifier = Classifier(trained[0], start(trained[0], engine))
    assert classifier.run_golden_test() < 1e-4
    prediction = classifier.identify(picture("disc", 77_777))
    assert prediction.ood_score is not None
    assert prediction.prediction_set


@pytest.mark.slow
def test_bundle_holds_no_photo_and_no_pickle(trained: tuple[Bundle, str]) -> None:
    bundle = trained[0]
    assert {path.name for path in bundle.folder.iterdir()} == {
        "bundle.json",
        "golden.npz",
        "graph.onnx",
        "photos.sha256",
        "small.json",
        "weights.safetensors",
    }
    with np.load(io.BytesIO(bundle.read("golden.npz")), allow_pickle=False) as golden:
        assert set(golden) == {"pixels", "logits", "probabilities", "novelty"}


@pytest.mark.slow
def test_train_folder_trains_from_python(photos: Path, data_folder: Path, tmp_path: Path) -> None:
    from model.training import train_folder

    folder = folder_of(tmp_path / "few", 15)
    bundle = train_folder(folder, "forms", size=64, epochs=0, samples=True)
    assert load("forms").identify(picture("square", 99_999)).answer in LABELS
    # Six photos are held out, but all thirty calibrate a linear head.
    card, small = bundle.manifest.card, read_small_card(bundle)
    assert bundle.manifest.is_calibrated
    assert card
    assert card.photos == 30
    assert card.on == "all photos, each by a linear head fitted to the others"
    assert all(
        metric.photos == 30 and metric.by == MEASURED_BY for metric in bundle.manifest.metrics
    )
    assert small
    assert small.calibration
    assert small.agreement[0].name == "all photos"
    assert bundle.manifest.provenance["command"] == (
        "train_folder(FOLDER, 'forms', size=64, epochs=0, samples=True)"
    )
    assert str(tmp_path) not in (bundle.folder / "bundle.json").read_text()
    samples = read_samples(bundle)
    assert samples
    for sample in samples:
        assert load("forms").identify(sample.photo).answer == sample.entry.label
    assert not (data_folder / "training" / "forms").exists()
    # It was fitted to all of them.
    assert bundle.manifest.data.photos == len(bundle.training_photos or ()) == 30
    result = command.run("calibrate", "forms", folder)
    assert result.exit_code == 2
    assert "trained on all 30 photos" in result.output


@pytest.mark.slow
def test_too_few_photos_are_not_calibrated_and_the_next_command_is_printed(
    data_folder: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "few", 9)
    code, output = run("train", folder, "--name", "forms", "--size", "64")
    assert code == 0, output
    assert "held-out photos can't tell whether fine-tuning helps (--epochs 8 tries it)" in output
    assert "or 10 photos of every label that don't look alike" in output
    assert "python -m model calibrate forms FOLDER" in output
    manifest = get_bundle("forms").manifest
    assert manifest.calibration is None
    assert manifest.metric("accuracy")


@pytest.mark.slow
def test_test_folder_is_measured_separately(
    photos: Path, data_folder: Path, tmp_path: Path
) -> None:
    folder = parted(tmp_path / "three", 12, 5)
    folder_of(folder / "test", 8, 9000)
    code, output = run("train", folder, "--name", "forms", "--size", "64", "--epochs", "0")
    assert code == 0, output
    metrics = get_bundle("forms").manifest.metrics
    tested = [metric for metric in metrics if metric.on == "the test folder"]
    assert [(metric.name, metric.photos) for metric in tested] == [("accuracy", 16)]


# Refusals


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--name", "forms"], "Name the FOLDER"),
        (["--name", "forms", "--resume"], "no unfinished training run of 'forms'"),
        (["--name", "forms", "--resume", "--epochs", "9"], "add only --name and --minutes"),
        (["{photos}", "--name", "forms", "--resume"], "add only --name and --minutes"),
        (["{photos}", "--name", "../forms"], "name: "),
        (["{photos}", "--name", "My Flowers"], "my-flowers"),
        (["{photos}", "--name", "forms", "--search", "9", "--minutes", "5"], "leaves no time"),
        (["{photos}", "--name", "forms", "--unknown", "{photos}/train/disc"], "at least 50"),
        (["{photos}", "--name", "forms", "--arch", "lite9"], "timm has no network 'lite9'"),
        (["{photos}", "--name", "forms", "--size", "7"], "size: "),
        (["{photos}", "--name", "forms", "--to", "{photos}/train/disc/0.jpg/models"], "0.jpg"),
        (["{photos}/train/disc", "--name", "forms"], "photos for no labels"),
    ],
)
def test_refused_training_says_why_and_leaves_nothing_behind(
    words: list[str], message: str, photos: Path, data_folder: Path
) -> None:
    code, output = run("train", *[word.format(photos=photos) for word in words])
    assert code == 2
    assert message in output
    assert "Traceback" not in output
    assert not (data_folder / "training" / "forms").exists()


def test_second_run_of_a_name_is_refused_without_touching_the_first(
    photos: Path, data_folder: Path
) -> None:
    from filelock import FileLock

    run_dir = data_folder / "training" / "forms"
    run_dir.mkdir(parents=True)
    (run_dir / "plan.json").write_text("{}")
    with FileLock(run_dir / ".lock"):
        code, output = run("train", photos, "--name", "forms", *QUICK)
    assert code == 2
    assert "Another process is training 'forms'. Wait" in output
    code, output = run("train", photos, "--name", "forms", *QUICK)
    assert code == 2
    assert "Add --resume" in output
    assert (run_dir / "plan.json").read_text() == "{}"


def test_folder_of_a_run_is_removed_while_nobody_else_can_take_it(
    photos: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock, Timeout

    training = import_module("model.training.train")
    from model.training.config import TrainingConfig

    remove = shutil.rmtree

    def checked(folder: Path, **options: Any) -> None:
        if folder == training.get_run_dir("forms"):
            with pytest.raises(Timeout):
                FileLock(folder / ".lock", timeout=0).acquire()
        remove(folder, **options)

    monkeypatch.setattr(training, "_train", lambda *_: tiny(data_folder / "models", "forms"))
    monkeypatch.setattr(shutil, "rmtree", checked)
    training.train(TrainingConfig.create(folder=photos, name="forms"))
    assert not training.get_run_dir("forms").exists()


# Resuming


@pytest.mark.slow
def test_run_resumes_with_its_own_photos_only(tmp_path: Path, data_folder: Path) -> None:
    from model.training.config import Progress, TrainingConfig
    from model.training.train import get_run_dir, train

    class Interrupted(Exception):
        pass

    class InterruptedProgress(Progress):
        def update(self, stage: str, done: int, total: int) -> None:
            if stage == "Features":
                raise Interrupted

    folder = folder_of(tmp_path / "photos", 20)
    config = TrainingConfig.create(folder=folder, name="forms", image_size=64, epochs=0)
    with pytest.raises(Interrupted):
        train(config, progress=InterruptedProgress())
    (folder / "disc" / "3.jpg").rename(folder / "square" / "3-was-wrong.jpg")
    with pytest.raises(DataError, match="photos changed since this training run began"):
        train(config, resume=True)
    (folder / "square" / "3-was-wrong.jpg").rename(folder / "disc" / "3.jpg")
    assert train(config, resume=True).labels == LABELS
    assert not get_run_dir("forms").exists()


@pytest.mark.slow
def test_killed_run_keeps_the_previous_model_and_resumes(photos: Path, data_folder: Path) -> None:
    previous = tiny(data_folder / "models", "forms")
    words = (photos, "--name", "forms", "--size", "64", "--epochs", "200")
    process = start_process(data_folder, *words)
    checkpoint = data_folder / "training" / "forms" / "checkpoint.pt"
    wait_for_file(checkpoint, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert get_bundle("forms").version == previous.version
    code, output = run("train", *words)
    assert code == 2
    assert "Add --resume" in output
    process = start_process(data_folder, "--name", "forms", "--resume")
    wait_for_epoch(process, 2)
    process.send_signal(signal.SIGINT)
    assert "Resume with: python -m model train --name forms --resume" in process.communicate()[0]
    assert process.returncode == 130
    assert get_bundle("forms").version == previous.version


def wait_for_file(path: Path, process: "subprocess.Popen[str]") -> None:
    def exists() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return path.exists()

    # A loaded machine took more than 120 s to the first checkpoint.
    wait_until(exists, 300)


def wait_for_epoch(process: "subprocess.Popen[str]", minimum: int) -> None:
    """Read the output up to the first epoch, which must come after those of the first run."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith("Epoch "):
            assert int(line.split()[1]) >= minimum, line
            return
    pytest.fail("the process ended without an epoch")


# Time and search


@pytest.mark.slow
def test_run_keeps_to_its_minutes(photos: Path, data_folder: Path) -> None:
    began = time.monotonic()
    code, output = run(
        "train", photos, "--name", "forms", "--size", "64", "--epochs", "500", "--minutes", "0.8"
    )
    assert code == 0, output
    assert time.monotonic() - began < 120
    assert get_bundle("forms").manifest.metric("accuracy")


@pytest.mark.slow
def test_search_resumes_and_its_best_trial_is_used(photos: Path, data_folder: Path) -> None:
    from model.training.config import Progress, TrainingConfig
    from model.training.train import get_run_dir, train

    class InterruptedProgress(Progress):
        def note(self, text: str) -> None:
            if "Trial 1: " in text:
                raise KeyboardInterrupt

    config = TrainingConfig.create(folder=photos, name="forms", image_size=64, epochs=1, search=9)
    with pytest.raises(KeyboardInterrupt):
        train(config, progress=InterruptedProgress())
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
