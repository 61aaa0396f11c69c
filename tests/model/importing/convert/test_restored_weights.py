"""Weights alone → a learner of the network that is named; ``test_old_exports`` compares more."""

from pathlib import Path
from typing import Any

import pytest

from model.errors import ExportRefused
from model.importing.inspect.weights import WeightsSettings
from tests.model.command import run
from tests.model.importing.learners import (
    LEARNER_MARKS,
    assert_engines_agree,
    loaders,
    predict,
    restore,
    vision,
)

pytestmark = LEARNER_MARKS

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
OPTIONS = {
    "--arch": "test_byobnet",
    "--labels": "cat,dog,owl",
    "--size": "48x64",
    "--method": "pad",
    "--normalize": "0.5,0.4,0.3/0.2,0.3,0.4",
}


@pytest.fixture(scope="module")
def folder(three_labels: Path) -> Path:
    return three_labels


@pytest.fixture(scope="module")
def learner(folder: Path) -> Any:
    """A small learner whose head differs between labels, with its optimizer."""
    from fastai.vision.all import Normalize, Resize, ResizeMethod

    items = Resize((48, 64), ResizeMethod.Pad)
    data = loaders(folder, items, [Normalize.from_stats(MEAN, STD, cuda=False)])
    learner = vision(data, "test_byobnet")
    learner.create_opt()
    return learner


def restore_state(state: Any, folder: Path, **options: str) -> Any:
    """Restore a state dict with some options changed."""
    import torch

    torch.save(state, folder / "state.pth")
    changed = {**OPTIONS, **{f"--{name}": value for name, value in options.items()}}
    return restore(folder / "state.pth", WeightsSettings.from_options(changed))


@pytest.mark.parametrize("name", ["old.pth", "half.safetensors"])
def test_formats_of_weights_give_the_learners_probabilities(
    name: str, learner: Any, folder: Path, tmp_path: Path
) -> None:
    import safetensors.torch
    import torch

    state, path = learner.model.state_dict(), tmp_path / name
    if name == "old.pth":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        floats = {key for key, tensor in state.items() if tensor.is_floating_point()}
        halves = {key: state[key].half() if key in floats else state[key] for key in state}
        safetensors.torch.save_file(halves, path)
    photo = folder / "owl" / "1.png"
    restored = restore(path, WeightsSettings.from_options(OPTIONS))
    tolerance = 1e-6 if name == "old.pth" else 5e-3
    assert restored.predict([photo])[0] == pytest.approx(predict(learner, photo), abs=tolerance)


@pytest.mark.parametrize(
    ("arch", "library", "head"),
    [
        ("squeezenet1_1", "torchvision", "native"),
        ("test_byobnet", "timm", "native"),
        ("test_byobnet", "timm", "fastai"),
        pytest.param("xresnet18", "fastai", "native", marks=pytest.mark.slow),
    ],
)
def test_network_is_built_by_name_and_gets_both_engines(
    arch: str, library: str, head: str, folder: Path, tmp_path: Path
) -> None:
    import fastai.vision.all as fastai
    import torch

    from model.learner.rebuild import native_network

    if head == "native":
        network = native_network(library, arch, 3).eval()
    else:
        data = loaders(folder, fastai.Resize(64))
        network = vision(data, getattr(fastai, arch, arch)).model
    restored = restore_state(network.state_dict(), tmp_path, arch=arch)
    photos = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(restored.model(photos), network(photos))
    report = restored.report()
    assert report.labels == ("cat", "dog", "owl")
    assert (report.recipe.resize, report.recipe.method) == ((48, 64), "pad")
    assert report.architecture.mean == MEAN
    draft = report.draft()
    named = draft.architecture
    assert (named.library, named.body, named.head) == (library, arch, head)
    assert draft.engines == ("compiled", "learner")


def test_weights_of_another_network_are_refused(learner: Any, tmp_path: Path) -> None:
    state = learner.model.state_dict()
    for options, weights, sentence in (
        ({"labels": "cat,dog"}, state, "has 3 outputs, and --labels gives 2"),
        ({"arch": "test_efficientnet"}, state, "don't fit test_efficientnet"),
        ({}, dict(list(state.items())[1:]), r"Missing key\(s\) in state_dict: .0\.model"),
        (
            {},
            {**state, "\x1b[31mhook": next(iter(state.values()))},
            r"Unexpected key\(s\) in state_dict: .\\x1b\[31mhook",
        ),
    ):
        with pytest.raises(ExportRefused, match=sentence):
            restore_state(weights, tmp_path, **options)


@pytest.mark.parametrize("arch", ["resnet_18", "hf_hub:someone/network", "os.system", "load"])
def test_only_listed_names_are_built(arch: str, learner: Any, tmp_path: Path) -> None:
    hint = "Similar names: resnet18" if arch == "resnet_18" else ""
    with pytest.raises(ExportRefused, match=f"has a network.*{hint}"):
        restore_state(learner.model.state_dict(), tmp_path, arch=arch)


def test_size_that_the_network_cannot_take_is_refused(tmp_path: Path) -> None:
    import timm

    arch = "vit_tiny_patch16_224"
    state = timm.create_model(arch, num_classes=3).state_dict()
    with pytest.raises(
        ExportRefused, match=rf"^{arch} can't take photos of 48 × 64: .*\(224\)\. Give the --size"
    ):
        restore_state(state, tmp_path, arch=arch)


@pytest.mark.slow
def test_weights_become_a_model_of_both_engines(
    learner: Any, folder: Path, tmp_path: Path, data_folder: Path, temporary: Path
) -> None:
    words = [word for option in OPTIONS.items() for word in option]
    learner.path, learner.model_dir = tmp_path, "."
    result = run("import", "--name", "mine", learner.save("learn"), *words)
    assert result.exit_code == 0, result.stderr
    assert "3 labels: cat, dog, owl" in result.stdout
    assert "engines: compiled, learner" in result.stdout
    assert_engines_agree("mine", learner, folder / "dog" / "0.png")


def test_missing_and_unneeded_options_are_named(
    learner: Any, tmp_path: Path, data_folder: Path
) -> None:
    learner.path, learner.model_dir = tmp_path, "."
    weights = learner.save("learn")
    learner.export("export.pkl")
    words = [word for option in OPTIONS.items() for word in option]
    for arguments, sentence in (
        ([weights], "Add --arch"),
        ([weights, *words[:4]], "Add --size (224"),
        ([tmp_path / "export.pkl", *words], "Leave out --arch"),
    ):
        result = run("import", "--name", "mine", *arguments)
        assert result.exit_code == 2
        assert sentence in result.stderr
    assert not data_folder.joinpath("models", "mine").exists()
