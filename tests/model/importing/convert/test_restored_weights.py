"""Weights alone → a learner whose probabilities are those of the learner that saved them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from model.cli import main
from model.errors import ExportRefused
from model.importing.weights_settings import WeightsSettings
from model.settings import settings
from tests.model.importing.learners import (
    assert_engines_agree,
    loaders,
    pictures,
    predict,
    restore,
    vision,
)

pytestmark = pytest.mark.torch

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
OPTIONS = {
    "--arch": "test_byobnet",
    "--labels": "cat,dog,owl",
    "--size": "48x64",
    "--method": "pad",
    "--normalize": "0.5,0.4,0.3/0.2,0.3,0.4",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures(tmp_path_factory.mktemp("weights") / "photos", ("cat", "dog", "owl"))


@pytest.fixture(scope="module")
def learner(folder: Path) -> Any:
    """A small learner with a head that differs from label to label, and its optimizer."""
    from fastai.vision.all import Normalize, Resize, ResizeMethod

    items = Resize((48, 64), ResizeMethod.Pad)
    data = loaders(folder, items, [Normalize.from_stats(MEAN, STD, cuda=False)])
    learner = vision(data, "test_byobnet")
    learner.create_opt()
    return learner


def write(learner: Any, path: Path) -> Path:
    """Save a learner's weights in the format of the file's suffix."""
    import safetensors.torch
    import torch

    state = learner.model.state_dict()
    if path.name == "learn.pth":
        learner.path, learner.model_dir = path.parent, "."
        return Path(learner.save("learn"))
    if path.suffix == ".safetensors":
        halves = {
            name: one.half() if one.is_floating_point() else one for name, one in state.items()
        }
        safetensors.torch.save_file(halves, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=path.name != "old.pth")
    return path


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("learn.pth", 0), ("state.pth", 0), ("old.pth", 0), ("half.safetensors", 5e-3)],
)
def test_answers_are_the_learners(
    name: str, tolerance: float, learner: Any, folder: Path, tmp_path: Path
) -> None:
    from model.importing.convert.reference import reference_probabilities

    photo = folder / "owl" / "1.png"
    expected = predict(learner, photo)
    given = WeightsSettings.from_options(OPTIONS)
    restored = restore(write(learner, tmp_path / name), given)
    found = reference_probabilities(restored.model, restored.pipeline, [photo], multilabel=False)
    np.testing.assert_allclose(found[0], expected, atol=tolerance or 1e-6)
    report = restored.report()
    assert report.labels == ("cat", "dog", "owl")
    assert (report.recipe.resize, report.recipe.method) == ((48, 64), "pad")
    assert report.architecture.mean == MEAN
    assert (report.architecture.library, report.learner) == ("timm", True)


@pytest.mark.parametrize(
    ("arch", "library"),
    [
        ("squeezenet1_1", "torchvision"),
        ("test_byobnet", "timm"),
        pytest.param("xresnet18", "fastai", marks=pytest.mark.slow),
    ],
)
def test_a_whole_network_of_a_library_gets_both_engines(
    arch: str, library: str, tmp_path: Path
) -> None:
    import torch

    from model.learner.rebuild import native_network

    path = tmp_path / "state.pth"
    torch.save(native_network(library, arch, 3).state_dict(), path)
    given = WeightsSettings.from_options({**OPTIONS, "--arch": arch})
    report = restore(path, given).report()
    named = report.architecture
    assert (named.library, named.body, named.head) == (library, arch, "native")
    assert report.draft("made").engines == ("compiled", "learner")


def test_a_size_that_the_network_cannot_take_is_refused(tmp_path: Path) -> None:
    import timm
    import torch

    path = tmp_path / "weights.pth"
    torch.save(timm.create_model("vit_tiny_patch16_224", num_classes=3).state_dict(), path)
    given = WeightsSettings.from_options({**OPTIONS, "--arch": "vit_tiny_patch16_224"})
    with pytest.raises(ExportRefused) as raised:
        restore(path, given)
    message = str(raised.value)
    assert message.startswith("vit_tiny_patch16_224 can't take photos of 48 × 64: ")
    assert message.endswith("(224). Give the --size that it was trained with.")


@pytest.mark.slow
def test_weights_become_a_model_of_both_engines(
    learner: Any, folder: Path, tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_THREADS", "1")
    settings.cache_clear()
    path = write(learner, tmp_path / "learn.pth")
    words = [word for option in OPTIONS.items() for word in option]
    result = CliRunner().invoke(main, ["import", str(path), "--name", "mine", *words])
    assert result.exit_code == 0, result.stderr
    assert "3 labels: cat, dog, owl" in result.stdout
    assert "engines: compiled, learner" in result.stdout
    assert_engines_agree("mine", learner, folder / "dog" / "0.png")


def test_what_is_missing_or_too_much_is_said(
    learner: Any, tmp_path: Path, data_folder: Path
) -> None:
    weights = write(learner, tmp_path / "state.pth")
    learner.path = tmp_path
    learner.export("export.pkl")
    words = [word for option in OPTIONS.items() for word in option]
    for command, said in (
        ([weights], "Add --arch"),
        ([weights, *words[:4]], "Add --size (224"),
        ([tmp_path / "export.pkl", *words], "Leave out --arch"),
    ):
        result = CliRunner().invoke(main, ["import", "--name", "mine", *map(str, command)])
        assert result.exit_code == 2
        assert said in result.stderr
    assert not data_folder.joinpath("models", "mine").exists()
