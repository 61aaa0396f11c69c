"""The network that an owner names for weights: found with either head, loaded strictly, refused."""

from typing import Any

import pytest

from model.errors import ExportRefused

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:The parameter 'pretrained' is deprecated:UserWarning"),
    pytest.mark.filterwarnings("ignore:Arguments other than a weight enum:UserWarning"),
]


def made(arch: str, outputs: int, *, plain: bool = False) -> Any:
    """A network of random weights as its library or ``vision_learner`` makes it."""
    import timm
    import torch
    from fastai.vision.all import create_timm_model, create_vision_model, xresnet18
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    functions = {"squeezenet1_1": squeezenet1_1, "xresnet18": xresnet18}
    if arch not in functions:
        if plain:
            return timm.create_model(arch, num_classes=outputs).eval()
        return create_timm_model(arch, outputs, pretrained=False)[0].eval()
    function = functions[arch]
    if plain:
        name = "n_out" if arch == "xresnet18" else "num_classes"
        return function(**{name: outputs}).eval()
    return create_vision_model(function, outputs, pretrained=False).eval()


def load(arch: str, weights: Any, labels: int = 3) -> tuple[Any, Any]:
    from model.importing.convert.fastai_pipeline import FastaiPipeline
    from model.importing.convert.network_builder import Weights
    from model.importing.convert.recipe import read_recipe
    from model.importing.convert.stated_network import load_stated_network
    from model.importing.weights_settings import WeightsSettings

    options = {
        "--arch": arch,
        "--labels": ",".join("abc"[:labels]),
        "--size": "64",
        "--method": "crop",
        "--normalize": "none",
    }
    settings = WeightsSettings.from_options(options)
    assert settings is not None
    parts = settings.to_parts()
    steps = read_recipe(FastaiPipeline.from_parts(parts, Weights(lambda _: b"")))
    return load_stated_network(weights, parts, steps)


@pytest.mark.parametrize("plain", [False, True], ids=["fastai", "plain"])
@pytest.mark.parametrize("arch", ["squeezenet1_1", "test_byobnet", "xresnet18"])
def test_network_is_built_by_name_and_loaded(arch: str, plain: bool) -> None:
    import torch

    network = made(arch, 3, plain=plain)
    model, name = load(arch, network.state_dict())
    assert (name.body, name.head) == (arch, "native" if plain else "fastai")
    photos = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(photos), network(photos))


def test_another_number_of_labels_is_refused() -> None:
    for plain in (False, True):
        state = made("test_byobnet", 3, plain=plain).state_dict()
        with pytest.raises(ExportRefused, match="has 3 outputs, and --labels gives 2"):
            load("test_byobnet", state, 2)


def test_weights_of_another_network_are_refused() -> None:
    state = made("test_byobnet", 3).state_dict()
    lacking = dict(list(state.items())[1:])
    more = {**state, "\x1b[31mhook": next(iter(state.values()))}
    for arch, weights, sentence in (
        ("test_efficientnet", state, "don't fit test_efficientnet"),
        ("test_byobnet", lacking, r"1 missing \(0.model"),
        ("test_byobnet", more, r"1 that it doesn't have \(\\x1b\[31mhook\)"),
    ):
        with pytest.raises(ExportRefused, match=sentence):
            load(arch, weights)


@pytest.mark.parametrize("arch", ["resnet_18", "hf_hub:someone/network", "os.system", "load"])
def test_only_listed_names_are_built(arch: str) -> None:
    with pytest.raises(ExportRefused, match="has a network") as raised:
        load(arch, {}, 2)
    if arch == "resnet_18":
        assert "Similar names: resnet18" in str(raised.value)
