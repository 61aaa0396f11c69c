"""``python -m model train``, whole: photos go in, a measured model comes out."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from model import Bundle, load
from model.bundle import get_bundle
from model.cli import main
from model.errors import DataError
from model.settings import ROOT
from tests.model.tiny import tiny
from tests.model.training.pictures import LABELS, folder_of, parted, picture

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
    shelf = tmp_path_factory.mktemp("shelf")
    code, output = run(
        "train", photos, "--name", "forms", *QUICK, "--unknown", noise, "--to", shelf
    )
    assert code == 0, output
    return Bundle.open(next((shelf / "forms").glob("*/bundle.json")).parent), output


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(word) for word in words])
    return result.exit_code, result.output


# It goes on until it is told to end: on a busy machine it would be done before the signal.
ENDLESS = """
from model.cli import main
from model.training import finetune

finetune.PATIENCE = 10_000
main()
"""


def started(data: Path, *words: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", ENDLESS, "train", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "LOUPE_DATA": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_it_tells_discs_from_squares_and_says_how_well(trained: tuple[Bundle, str]) -> None:
    bundle, output = trained
    accuracy = bundle.manifest.metric("accuracy")
    assert bundle.labels == LABELS
    assert accuracy
    assert accuracy.photos == 60
    assert accuracy.value > 0.8
    assert f"right for {accuracy.value:.1%} of 60 photos" in output
    assert "60 to learn from, 60 held out, split as the folders are named" in output
    assert "of 50 strangers in noise" in output


@pytest.mark.slow
def test_the_card_is_whole(trained: tuple[Bundle, str]) -> None:
    manifest = trained[0].manifest
    assert manifest.card
    assert manifest.calibration
    assert manifest.card.photos == 60
    assert manifest.card.ood_sets[0].photos == 50
    assert manifest.card.seed == 0
    assert manifest.calibration.score in {
        one.name for one in manifest.card.detectors if one.selected
    }
    assert manifest.provenance["seed"] == "0"
    assert {"torch", "fastai", "timm"} <= set(manifest.provenance)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["compiled", "learner"])
def test_both_engines_give_the_golden_answers(engine: str, trained: tuple[Bundle, str]) -> None:
    from model import Classifier
    from model.engines import start

    classifier = Classifier(trained[0], start(trained[0], engine))
    assert classifier.run_golden_test() < 1e-4
    one = classifier.identify(picture("disc", 77_777))
    assert one.ood_score is not None
    assert one.prediction_set


@pytest.mark.slow
def test_no_photo_and_no_pickle_is_in_the_bundle(trained: tuple[Bundle, str]) -> None:
    bundle = trained[0]
    assert {path.name for path in bundle.folder.iterdir()} == {
        "bundle.json",
        "golden.npz",
        "graph.onnx",
        "weights.safetensors",
    }
    with np.load(io.BytesIO(bundle.read("golden.npz")), allow_pickle=False) as golden:
        assert set(golden) == {"pixels", "logits", "probabilities", "novelty"}


def test_from_python_in_three_lines(photos: Path, data_folder: Path, tmp_path: Path) -> None:
    from model.training import train_folder

    folder = folder_of(tmp_path / "few", 15)
    bundle = train_folder(folder, "forms", size=64, epochs=0)
    assert load("forms").identify(picture("square", 99_999)).answer in LABELS
    # Six photos are too few to calibrate with, and it says so.
    assert bundle.manifest.calibration is None
    assert bundle.manifest.metric("accuracy")
    assert bundle.manifest.provenance["command"].endswith("'forms', size=64, epochs=0)")
    assert not (data_folder / "training" / "forms").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "forms"], "Name the FOLDER"),
        (["--name", "forms", "--resume"], "no unfinished training of 'forms'"),
        (["--name", "forms", "--resume", "--epochs", "9"], "beside --name it takes --minutes"),
        (["{photos}", "--name", "forms", "--resume"], "beside --name it takes --minutes"),
        (["{photos}", "--name", "../forms"], "small letters"),
        (["{photos}", "--name", "My Flowers"], "such as my-flowers"),
        (["{photos}", "--name", "forms", "--search", "9", "--minutes", "5"], "leaves none"),
        (["{photos}", "--name", "forms", "--arch", "vit_b_16"], "cannot be cut"),
        (["{photos}", "--name", "forms", "--unknown", "{photos}/train/disc"], "at least 50"),
        (["{photos}", "--name", "forms", "--arch", "lite9"], "no network 'lite9'"),
        (["{photos}", "--name", "forms", "--size", "7"], "side: "),
        (["{photos}/train/disc", "--name", "forms"], "photos of 0 labels"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    words: list[str], said: str, photos: Path, data_folder: Path
) -> None:
    code, output = run("train", *[word.format(photos=photos) for word in words])
    assert code == 2
    assert said in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_what_was_refused_can_be_asked_again(photos: Path, data_folder: Path) -> None:
    assert run("train", photos / "train" / "disc", "--name", "forms")[0] == 2
    again = run("train", photos, "--name", "forms", "--size", "64", "--epochs", "0")
    assert again[0] == 0, again[1]


def test_a_training_goes_on_with_its_own_photos_only(tmp_path: Path, data_folder: Path) -> None:
    from model.training.config import TrainingConfig
    from model.training.train import train, unfinished

    class Enough(Exception):
        pass

    def stop(step: object) -> None:
        if getattr(step, "stage", "") == "Features":
            raise Enough

    folder = folder_of(tmp_path / "photos", 20)
    plan = TrainingConfig.of(folder=folder, name="forms", side=64, epochs=0)
    with pytest.raises(Enough):
        train(plan, watch=stop)
    (folder / "disc" / "3.jpg").rename(folder / "square" / "3-was-wrong.jpg")
    with pytest.raises(DataError, match="moved or changed"):
        train(plan, resume=True)
    (folder / "square" / "3-was-wrong.jpg").rename(folder / "disc" / "3.jpg")
    assert train(plan, resume=True).labels == LABELS
    assert not unfinished("forms").exists()


@pytest.mark.slow
def test_a_kill_leaves_the_former_model_and_resume_goes_on(photos: Path, data_folder: Path) -> None:
    former = tiny(data_folder / "models", "forms")
    words = (photos, "--name", "forms", "--size", "64", "--epochs", "200")
    process = started(data_folder, *words)
    checkpoint = data_folder / "training" / "forms" / "checkpoint.pt"
    wait_for(checkpoint, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert get_bundle("forms").version == former.version
    code, output = run("train", *words)
    assert code == 2
    assert "Add --resume" in output
    # Going on, it reads the plan that was kept; a plan of fewer epochs ends soon.
    plan = data_folder / "training" / "forms" / "plan.json"
    assert '"epochs": 200' in plan.read_text() or '"epochs":200' in plan.read_text()
    process = started(data_folder, "--name", "forms", "--resume")
    wait_for_epoch(process, 2)
    process.send_signal(signal.SIGINT)
    assert "Go on with: python -m model train --name forms --resume" in process.communicate()[0]
    assert process.returncode == 130
    assert get_bundle("forms").version == former.version


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_epoch(process: "subprocess.Popen[str]", least: int) -> None:
    """Until it says that an epoch after those of the first run is done."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith("Epoch "):
            assert int(line.split()[1]) >= least, line
            return
    pytest.fail("it ended without an epoch")


@pytest.mark.slow
def test_a_kill_while_the_bundle_is_written_leaves_the_former_model(
    photos: Path, data_folder: Path
) -> None:
    former = tiny(data_folder / "models", "forms")
    process = started(data_folder, photos, "--name", "forms", "--size", "64", "--epochs", "0")
    assert process.stdout
    for line in process.stdout:
        if line.startswith("Compiling"):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    assert get_bundle("forms").version == former.version
    code, output = run("train", "--name", "forms", "--resume")
    assert code == 0, output
    assert get_bundle("forms").version != former.version
    card = get_bundle("forms").manifest.card
    assert card
    assert card.command.startswith(f"python -m model train {photos} --name forms ")
    assert (former.folder / "bundle.json").is_file()


def test_two_trainings_of_a_name_do_not_meet(photos: Path, data_folder: Path) -> None:
    from filelock import FileLock

    state = data_folder / "training" / "forms"
    state.mkdir(parents=True)
    with FileLock(state / ".lock"):
        code, output = run("train", photos, "--name", "forms", *QUICK)
    assert code == 2
    assert "Another process is training 'forms' now" in output


@pytest.mark.slow
def test_the_minutes_are_kept(photos: Path, data_folder: Path) -> None:
    began = time.monotonic()
    code, output = run(
        "train", photos, "--name", "forms", "--size", "64", "--epochs", "500", "--minutes", "0.8"
    )
    assert code == 0, output
    assert time.monotonic() - began < 120
    assert get_bundle("forms").manifest.metric("accuracy")


@pytest.mark.slow
def test_search_tries_chooses_and_goes_on(photos: Path, data_folder: Path) -> None:
    from model.training.config import Hyperparameters, TrainingConfig
    from model.training.train import train, unfinished

    def stop(step: object) -> None:
        if "Trial 1: " in getattr(step, "note", ""):
            raise KeyboardInterrupt

    plan = TrainingConfig.of(folder=photos, name="forms", side=64, epochs=1, search=9)
    with pytest.raises(KeyboardInterrupt):
        train(plan, watch=stop)
    # Little of the search is left, so that the one trial decides.
    state = unfinished("forms")
    plan.model_copy(update={"search": 0.001}).keep(state)
    notes = []
    chosen = []

    def hear(step: object) -> None:
        notes.append(getattr(step, "note", ""))
        chosen.append(Hyperparameters.kept(state))

    bundle = train(plan, resume=True, watch=hear)
    assert any(note.startswith("Best of ") for note in notes)
    kept = next(one for one in chosen if one)
    assert kept.lr == pytest.approx(4e-4)
    assert bundle.version == get_bundle("forms").version


@pytest.mark.slow
def test_a_test_folder_is_measured_apart(photos: Path, data_folder: Path, tmp_path: Path) -> None:
    folder = parted(tmp_path / "three", 12, 5)
    folder_of(folder / "test", 8, 9000)
    code, output = run("train", folder, "--name", "forms", "--size", "64", "--epochs", "0")
    assert code == 0, output
    metrics = get_bundle("forms").manifest.metrics
    assert [(one.name, one.photos) for one in metrics if "test" in one.on] == [("accuracy", 16)]
