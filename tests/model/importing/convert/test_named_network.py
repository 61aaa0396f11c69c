"""Networks: found by name, rebuilt with the same outputs, and compiled even without a name."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from model import Bundle
from model.bundle import publish
from model.engines import start
from model.errors import ExportRefused
from model.samples import shapes
from tests.model.importing.learners import LEARNER_MARKS, loaders, read_back, tiny_learner, vision

pytestmark = LEARNER_MARKS


@pytest.fixture(scope="module")
def data(folder: Path) -> Any:
    from fastai.vision.all import Normalize, Resize

    norm = Normalize.from_stats([0.5, 0.4, 0.3], [0.2, 0.3, 0.4], cuda=False)
    return loaders(folder, Resize(64), norm)


def found_in(learner: Any) -> Any:
    return read_back(learner).report()


def arch(name: str) -> Any:
    import fastai.vision.models
    import torchvision.models

    if name.startswith("xresnet"):
        return getattr(fastai.vision.models.xresnet, name)
    return getattr(torchvision.models, name, name)


@pytest.mark.parametrize(
    ("body", "options", "expected"),
    [
        ("squeezenet1_1", {}, ("torchvision", "squeezenet1_1", "fastai", True)),
        ("mobilenet_v3_small", {}, ("torchvision", "mobilenet_v3_small", "fastai", True)),
        ("test_byobnet", {}, ("timm", "test_byobnet", "fastai", True)),
        ("test_vit", {"size": 160}, ("timm", "test_vit", "fastai", True)),
        ("resnet18", {"concat_pool": False}, ("custom", "Sequential", "custom", False)),
        ("squeezenet1_1", {"bn_final": True}, ("custom", "Sequential", "custom", False)),
        ("xresnet18", {}, ("fastai", "xresnet18", "fastai", True)),
    ],
    ids=str,
)
def test_network_is_named_if_it_can_be_rebuilt(
    folder: Path, data: Any, body: str, options: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    from fastai.vision.all import Resize

    options = dict(options)
    if size := options.pop("size", None):
        data = loaders(folder, Resize(size))
    restored = found_in(vision(data, arch(body), **options))
    named = restored.architecture
    assert (named.library, named.body, named.head, restored.learner) == expected
    assert restored.labels == ("cat", "dog")
    assert not restored.multilabel


def test_timm_network_names_itself(data: Any) -> None:
    """Learners of whole networks, and those of older fastai, lack the name."""
    from torch.nn import Tanh

    learner = vision(data, "test_byobnet")
    del learner.arch
    restored = found_in(learner)
    named = restored.architecture
    assert (named.library, named.body, named.head) == ("timm", "test_byobnet", "fastai")
    network = whole()
    named = found_in(tiny_learner(data, network)).architecture
    assert (named.library, named.body, named.head) == ("timm", "test_byobnet", "native")
    # The same weights fit, but the outputs differ.
    for part in network.modules():
        if hasattr(part, "act"):
            part.act = Tanh()
    assert found_in(tiny_learner(data, network)).architecture.library == "custom"


def whole() -> Any:
    """A network as timm builds it, with random weights and statistics."""
    import torch

    from model.learner.rebuild import native_network

    torch.manual_seed(0)
    network = native_network("timm", "test_byobnet", 2)
    for name, part in network.named_buffers():
        if "running" in name:
            part.copy_(torch.rand_like(part) + 0.5)
    return network


def test_head_of_one_layer_is_linear(data: Any) -> None:
    from fastai.vision.all import nn

    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 2))
    restored = found_in(vision(data, arch("resnet18"), custom_head=head))
    assert (restored.architecture.head, restored.architecture.features, restored.learner) == (
        "linear",
        512,
        True,
    )


def _bundle(models_dir: Path, learner: Any) -> Bundle:
    from model.learner.inference_module import export_onnx

    restored = read_back(learner)
    report = restored.report()
    manifest = report.draft()
    fill = lambda folder: export_onnx(restored.model, manifest, folder)  # noqa: E731
    return publish(report.draft("made"), models_dir, fill)


@pytest.mark.slow
def test_whole_network_predicts_the_same_by_both_engines(
    models_dir: Path, tmp_path: Path, data: Any
) -> None:
    from model.engines.learner_engine import LearnerEngine
    from model.learner.rebuild import export_learner, predict_with_export

    original = tiny_learner(data, whole())
    bundle = _bundle(models_dir, original)
    assert bundle.manifest.engines == ("compiled", "learner")
    golden = bundle.golden
    learner = LearnerEngine(bundle)
    expected, outputs = (
        engine.run(golden.pixels) for engine in (start(bundle, "compiled"), learner)
    )
    np.testing.assert_allclose(expected.probabilities, golden.probabilities, atol=1e-4)
    np.testing.assert_allclose(outputs.probabilities, expected.probabilities, atol=1e-4)
    np.testing.assert_allclose(outputs.features, expected.features, rtol=1e-3, atol=1e-3)
    assert_runs_one_at_a_time(learner, golden.pixels[:4])
    photo = shapes()[0]
    export_learner(bundle, tmp_path / "export.pkl")
    with original.no_bar(), original.no_logging():
        by_original = original.predict(np.asarray(photo))[2]
    again = predict_with_export(tmp_path / "export.pkl", [photo])
    np.testing.assert_allclose(again[0], by_original, atol=1e-5)


def assert_runs_one_at_a_time(engine: Any, photos: Any) -> None:
    """A hook reads the features, and would see those of other threads."""
    running: list[None] = []
    most: list[int] = []

    def enter(*_: Any) -> None:
        running.append(None)
        most.append(len(running))
        # Other threads would run in the meantime.
        Event().wait(0.05)

    network = engine._module.network
    network.register_forward_pre_hook(enter)
    network.register_forward_hook(lambda *_: running.pop())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda photo: engine.run(photo[None]), photos))
    assert most == [1, 1, 1, 1]


def test_features_are_the_input_of_the_last_linear_layer(models_dir: Path, data: Any) -> None:
    import torch
    from fastai.vision.all import nn

    net = nn.Sequential(
        nn.Conv2d(3, 5, 3, stride=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.ReLU(),
        nn.Linear(5, 2),
        nn.Hardtanh(-3, 3),
    )
    bundle = _bundle(models_dir, tiny_learner(data, net))
    named = bundle.manifest.architecture
    assert (named.library, named.body, named.features) == ("custom", "Conv2d", 5)
    assert set(bundle.manifest.files) == {"graph.onnx", "golden.npz"}
    output = start(bundle, "compiled").run(bundle.golden.pixels)
    with torch.inference_mode():
        logits = net[5](net[4](torch.from_numpy(output.features)))
    np.testing.assert_allclose(output.logits, logits, atol=1e-4)


def test_without_a_linear_layer_features_are_the_logits(data: Any) -> None:
    from fastai.vision.all import nn

    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    restored = found_in(tiny_learner(data, model))
    assert (restored.architecture.body, restored.architecture.features) == ("Conv2d", 2)


def test_networks_that_do_not_fit_are_refused(data: Any) -> None:
    from fastai.vision.all import nn

    def learner(*layers: Any) -> Any:
        return tiny_learner(data, nn.Sequential(*layers))

    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    with pytest.raises(ExportRefused, match="1 channels"):
        found_in(learner(nn.Conv2d(1, 2, 3), *pool))
    with pytest.raises(ExportRefused, match=r"\(2, 7\).*2 labels"):
        found_in(learner(nn.Conv2d(3, 7, 3), *pool))
    broken = learner(nn.Conv2d(3, 2, 3), *pool)
    broken.model[0].weight.data.fill_(float("nan"))
    with pytest.raises(ExportRefused, match="NaN"):
        found_in(broken)


@pytest.mark.slow
def test_timm_network_of_another_version_is_built_by_name(data: Any) -> None:
    """Layers in exports of timm 0.9 lack attributes that timm 1.0 reads."""
    import torch

    learner = vision(data, "test_byobnet")
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = learner.model(images)
    body = learner.model[0].model
    # It has no weights, but timm's code asks for it.
    del body._modules["final_conv"]
    restored = read_back(learner)
    with torch.inference_mode():
        torch.testing.assert_close(restored.model(images), expected)
    assert restored.report().architecture.body == "test_byobnet"
