"""Trained models: figures, card, both engines, files, and too few photos."""

import io
import re
from pathlib import Path

import numpy as np
import pytest

from model import Bundle, Classifier, load
from model.bundle import get_bundle, read_samples, read_small_card
from model.calibration.cross_validation import MEASURED_BY
from model.engines import start
from tests.model import command
from tests.model.training.conftest import QUICK, run_train
from tests.model.training.pictures import LABELS, folder_of, picture
from tests.photos import drawn

pytestmark = pytest.mark.torch


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of neither label."""
    folder = tmp_path_factory.mktemp("noise")
    for number in range(50):
        drawn(80, 80, number).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def trained(
    photos: Path, noise: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bundle, str]:
    models = tmp_path_factory.mktemp("models")
    output = run_train(photos, "--name", "forms", *QUICK, "--unknown", noise, "--to", models)
    return Bundle.open(next((models / "forms").glob("*/bundle.json")).parent), output


@pytest.mark.slow
def test_trained_model_tells_discs_from_squares(trained: tuple[Bundle, str]) -> None:
    bundle, output = trained
    accuracy = bundle.manifest.metric("accuracy")
    assert bundle.labels == LABELS
    assert accuracy.photos == 60
    assert accuracy.value > 0.8
    assert f"{accuracy.value:.1%} of 60 photos correct" in output
    assert "60 photos to train on, 60 held out (split by the dataset's own folders)" in output
    assert "of 50 out-of-distribution photos (other photos)" in output
    assert "model teach" not in output
    stages = re.findall(r"^(\d+)\. ([A-Z][a-z -]+)$", output, re.MULTILINE)
    assert [number for number, _ in stages] == [str(place + 1) for place in range(len(stages))]
    assert ("6", "Fine-tuning") in stages
    assert stages[-1][1] == "Calibrating"
    manifest, card = bundle.manifest, bundle.manifest.card
    assert (card.photos, card.ood_sets[0].photos, card.seed) == (60, 50, 0)
    assert card.on == "held-out photos, split by the dataset's own folders"
    selected = [row.name for row in card.detectors if row.selected]
    assert selected == [manifest.calibration.ood_detector]
    assert manifest.provenance["seed"] == "0"
    assert {"torch", "fastai", "timm"} <= set(manifest.provenance)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["compiled", "learner"])
def test_both_engines_pass_the_golden_test(engine: str, trained: tuple[Bundle, str]) -> None:
    classifier = Classifier(trained[0], start(trained[0], engine))
    assert classifier.run_golden_test() < 1e-4
    prediction = classifier.identify(picture("disc", 77_777))
    assert prediction.ood_score is not None
    assert prediction.prediction_set


@pytest.mark.slow
def test_bundle_holds_no_photo_and_no_pickle(trained: tuple[Bundle, str]) -> None:
    bundle = trained[0]
    names = "bundle.json golden.npz graph.onnx photos.sha256 small.json weights.safetensors"
    assert {path.name for path in bundle.folder.iterdir()} == {*names.split()}
    with np.load(io.BytesIO(bundle.read("golden.npz")), allow_pickle=False) as golden:
        assert set(golden) == {"pixels", "logits", "probabilities", "novelty"}


@pytest.mark.slow
def test_train_folder_trains_from_python(data_folder: Path, tmp_path: Path) -> None:
    from model.training import train_folder

    folder = folder_of(tmp_path / "few", 15)
    bundle = train_folder(folder, "forms", size=64, epochs=0, samples=True)
    assert load("forms").identify(picture("square", 99_999)).answer in LABELS
    # Six photos are held out, but all thirty calibrate a linear head.
    card, small = bundle.manifest.card, read_small_card(bundle)
    assert bundle.manifest.is_calibrated
    assert card.photos == 30
    assert card.on == "all photos, each by a linear head fitted to the others"
    assert {(one.photos, one.by) for one in bundle.manifest.metrics} == {(30, MEASURED_BY)}
    assert small.calibration
    assert small.agreement[0].name == "all photos"
    command_line = "train_folder(FOLDER, 'forms', size=64, epochs=0, samples=True)"
    assert bundle.manifest.provenance["command"] == command_line
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
    folder_of(folder, 51, 500, LABELS[:1])
    output = run_train(folder, "--name", "forms", "--size", "64")
    assert "held-out photos can't tell whether fine-tuning helps (--epochs 8 tries it)" in output
    assert "or 10 photos of every label that don't look alike" in output
    assert "python -m model calibrate forms FOLDER" in output
    assert f"fewer than 30 photos per label ({LABELS[1]} has 9) and up to 500" in output
    assert "python -m model teach FOLDER --name forms (docs/teaching.md)" in output
    manifest = get_bundle("forms").manifest
    assert manifest.calibration is None
    assert manifest.metric("accuracy")
