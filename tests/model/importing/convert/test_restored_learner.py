"""Learners rebuilt from exports: their predictions are fastai's, and their networks get names."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model import Bundle
from model.bundle import publish
from model.engines import start
from model.errors import ExportRefused
from model.preprocess import preprocess
from model.samples import shapes
from model.settings import ROOT
from tests.model.importing.learners import (
    LEARNER_MARKS,
    loaders,
    predict,
    read_back,
    restore,
    sensitive_learner,
    tiny_learner,
    vision,
)

pytestmark = LEARNER_MARKS


@pytest.fixture(scope="module")
def data(folder: Path) -> Any:
    return make_data(folder)


def make_data(folder: Path, side: int = 64) -> Any:
    from fastai.vision.all import Normalize, Resize

    norm = Normalize.from_stats([0.5, 0.4, 0.3], [0.2, 0.3, 0.4], cuda=False)
    return loaders(folder, Resize(side), norm)


def body(name: str, **options: Any) -> Callable[[Any], Any]:
    """Return a function that makes a ``vision_learner`` on data."""

    def make(data: Any) -> Any:
        import fastai.vision.models
        import torchvision.models

        xresnets = fastai.vision.models.xresnet
        return vision(
            data, getattr(xresnets, name, getattr(torchvision.models, name, name)), **options
        )

    return make


def layers(*words: str, **options: Any) -> Callable[[Any], Any]:
    """Return a function that makes a learner of layers, written as Python."""

    def make(data: Any) -> Any:
        from torch import nn

        return tiny_learner(
            data, nn.Sequential(*(eval(word, vars(nn)) for word in words)), **options
        )

    return make


POOL = "AdaptiveAvgPool2d(1)", "Flatten()"


def linear_head(data: Any) -> Any:
    from torch import nn

    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 2))
    return body("squeezenet1_1", custom_head=head)(data)


def without_arch(data: Any) -> Any:
    """Learners of older fastai lack the name."""
    learner = vision(data, "test_byobnet")
    del learner.arch
    return learner


def whole(data: Any) -> Any:
    """A network as timm builds it, with random weights and statistics."""
    import torch

    from model.learner.rebuild import native_network

    torch.manual_seed(0)
    network = native_network("timm", "test_byobnet", 2)
    for name, part in network.named_buffers():
        if "running" in name:
            part.copy_(torch.rand_like(part) + 0.5)
    return tiny_learner(data, network.eval())


def other_activation(data: Any) -> Any:
    """The same weights fit, but the outputs differ."""
    from torch.nn import Tanh

    learner = whole(data)
    for part in learner.model.modules():
        if hasattr(part, "act"):
            part.act = Tanh()
    return learner


CUSTOM = "custom", "Sequential", "custom"
NETWORKS: dict[str, tuple[Callable[[Any], Any], tuple[str, str, str]]] = {
    "squeezenet": (body("squeezenet1_1"), ("torchvision", "squeezenet1_1", "fastai")),
    "timm": (body("test_byobnet"), ("timm", "test_byobnet", "fastai")),
    "timm-160": (body("test_vit"), ("timm", "test_vit", "fastai")),
    "fastai": (body("xresnet18"), ("fastai", "xresnet18", "fastai")),
    "one-pooling": (body("squeezenet1_1", concat_pool=False), CUSTOM),
    "last-norm": (body("squeezenet1_1", bn_final=True), CUSTOM),
    "linear-head": (linear_head, ("torchvision", "squeezenet1_1", "linear")),
    "without-arch": (without_arch, ("timm", "test_byobnet", "fastai")),
    "whole": (whole, ("timm", "test_byobnet", "native")),
    "other-activation": (other_activation, ("custom", "ByobNet", "custom")),
    "without-linear": (layers("Conv2d(3, 2, 3)", *POOL), ("custom", "Conv2d", "custom")),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_network_is_rebuilt_and_named_if_its_name_rebuilds_it(folder: Path, name: str) -> None:
    make, expected = NETWORKS[name]
    learner = make(make_data(folder, 160 if name == "timm-160" else 64))
    restored = read_back(learner)
    report = restored.report()
    named = report.architecture
    assert (named.library, named.body, named.head) == expected
    assert report.learner is (named.library != "custom")
    assert named.features == {"linear-head": 512, "without-linear": 2}.get(name, named.features)
    assert (report.labels, report.multilabel) == (("cat", "dog"), False)
    photo = folder / "dog" / "1.png"
    np.testing.assert_allclose(restored.predict([photo])[0], predict(learner, photo), atol=1e-5)


def nan(data: Any) -> Any:
    learner = layers("Conv2d(3, 2, 3)", *POOL)(data)
    learner.model[0].weight.data.fill_(float("nan"))
    return learner


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (layers("Conv2d(1, 2, 3)", *POOL), "1 channels"),
        (layers("Conv2d(3, 7, 3)", *POOL), r"\(2, 7\).*2 labels"),
        (nan, "NaN"),
        (
            layers("Conv2d(3, 4, 3)", "Flatten()", "Linear(100, 2)"),
            r"^Its network can't take photos of 64 × 64: .*learn\.predict",
        ),
    ],
    ids=["channels", "outputs", "nan", "size"],
)
def test_network_that_does_not_fit_is_refused(
    data: Any, make: Callable[[Any], Any], sentence: str
) -> None:
    with pytest.raises(ExportRefused, match=sentence):
        read_back(make(data)).report()


@pytest.mark.slow
def test_timm_network_of_another_version_is_built_by_name(data: Any) -> None:
    """Layers in exports of timm 0.9 lack attributes that timm 1.0 reads."""
    import torch

    learner = vision(data, "test_byobnet")
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = learner.model(images)
    # It has no weights, but timm's code asks for it.
    del learner.model[0].model._modules["final_conv"]
    restored = read_back(learner)
    with torch.inference_mode():
        torch.testing.assert_close(restored.model(images), expected)
    assert restored.report().architecture.body == "test_byobnet"


def publish_learner(models_dir: Path, learner: Any) -> Bundle:
    from model.learner.inference_module import export_onnx

    restored = read_back(learner)
    draft = restored.report().draft("made")
    return publish(draft, models_dir, lambda folder: export_onnx(restored.model, draft, folder))


@pytest.mark.slow
def test_whole_network_predicts_the_same_by_both_engines(
    models_dir: Path, tmp_path: Path, data: Any
) -> None:
    from model.engines.learner_engine import LearnerEngine
    from model.learner.rebuild import export_learner, predict_with_export

    original = whole(data)
    bundle = publish_learner(models_dir, original)
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
    again = predict_with_export(tmp_path / "export.pkl", [photo])
    np.testing.assert_allclose(again[0], predict(original, np.asarray(photo)), atol=1e-5)


def assert_runs_one_at_a_time(engine: Any, photos: Any) -> None:
    """A hook reads the features, and would see those of other threads."""
    running: list[None] = []
    most: list[int] = []

    def enter(*_: Any) -> None:
        running.append(None)
        most.append(len(running))
        # Give other threads time to enter, if nothing keeps them out.
        Event().wait(0.05)

    network = engine._module.network
    network.register_forward_pre_hook(enter)
    network.register_forward_hook(lambda *_: running.pop())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda photo: engine.run(photo[None]), photos))
    assert most == [1, 1, 1, 1]


def test_features_are_the_input_of_the_last_linear_layer(models_dir: Path, data: Any) -> None:
    import fastai
    import torch

    learner = layers(
        "Conv2d(3, 5, 3, stride=4)", *POOL, "ReLU()", "Linear(5, 2)", "Hardtanh(-3, 3)"
    )(data)
    bundle = publish_learner(models_dir, learner)
    named = bundle.manifest.architecture
    assert (named.library, named.body, named.features) == ("custom", "Conv2d", 5)
    assert set(bundle.manifest.files) == {"graph.onnx", "golden.npz"}
    # The graph names no folder of the machine that exported it.
    graph = bundle.read("graph.onnx")
    for place in (ROOT, *(Path(package.__file__ or "").parent for package in (torch, fastai))):
        assert str(place).encode() not in graph
    output = start(bundle, "compiled").run(bundle.golden.pixels)
    with torch.inference_mode():
        logits = learner.model[4:](torch.from_numpy(output.features))
    np.testing.assert_allclose(output.logits, logits, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_graph_of_greyscale_photos_predicts_as_fastai(channels: int, folder: Path) -> None:
    import torch
    from fastai.vision.all import Normalize, PILImageBW, Resize

    from model.learner.inference_module import InferenceModule

    # Three means make three channels of one.
    means, stds = [0.5, 0.4, 0.3][:channels], [0.2, 0.3, 0.4][:channels]
    norm = Normalize.from_stats(means, stds, cuda=False)
    photos = sorted(folder.rglob("*.png"))
    learner = sensitive_learner(
        loaders(folder, Resize(64), norm, image=PILImageBW), channels, photos[0]
    )
    restored = read_back(learner)
    report = restored.report()
    assert not report.learner
    images = [Image.open(photo).convert("RGB") for photo in photos]
    pixels = np.stack([preprocess(image, report.recipe) for image in images])
    with torch.inference_mode():
        module = InferenceModule.from_model(restored.rgb_model, report.draft()).eval()
        probabilities = module(torch.from_numpy(pixels))[2]
    expected = np.array([predict(learner, photo) for photo in photos])
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)
    assert np.ptp(expected[:, 0]) > 0.05


def test_rounding_errors_of_an_idle_warp_are_not_compared(folder: Path) -> None:
    from fastai.vision.all import Resize, aug_transforms

    data = loaders(folder, Resize(224), aug_transforms())
    photo = sorted(folder.rglob("*.png"))[0]
    restored = read_back(sensitive_learner(data, 3, photo))
    pixels = preprocess(Image.open(photo).convert("RGB"), restored.report().recipe)
    (image,) = restored.pipeline.batch(photo).numpy()
    np.testing.assert_array_equal(image.transpose(1, 2, 0), pixels.astype(np.float32) / 255)


def test_network_embedded_in_the_file_runs_only_with_trust(data: Any, tmp_path: Path) -> None:
    import torch
    from torch import nn

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 2)

        def forward(self, images: Any) -> Any:
            return self.head(self.pool(images).flatten(1)) * 3

    # Seen as of a notebook, so that its code is written into the file.
    Own.__module__ = "__main__"
    path = tmp_path / "export.pkl"
    tiny_learner(data, Own()).export(path)
    with pytest.raises(ExportRefused, match=r"made of __main__\.Own"):
        restore(path)
    model = restore(path, trust=True).model
    assert type(model).__name__ == "Own"
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(model(images), model.head(images.mean((2, 3))) * 3)


def test_threshold_of_several_labels_is_kept(three_labels: Path) -> None:
    """fastai decodes by it the labels of a photo, of three at 0.9, 0.6 and 0.3."""
    import torch
    from fastai.vision.all import BCEWithLogitsLossFlat, Resize

    data = loaders(three_labels, Resize(64), multilabel=True)
    loss = BCEWithLogitsLossFlat(thresh=0.7)
    learner = layers(*POOL, "Linear(3, 3)", loss_func=loss)(data)
    with torch.no_grad():
        learner.model[2].weight.zero_()
        learner.model[2].bias.copy_(torch.tensor([0.9, 0.6, 0.3]).logit())
    restored = read_back(learner)
    report = restored.report()
    assert (report.threshold, report.multilabel) == (0.7, True)
    photo = three_labels / "dog" / "1.png"
    with learner.no_bar(), learner.no_logging():
        decoded = list(learner.predict(photo)[0])
    named = zip(report.labels, restored.predict([photo])[0], strict=True)
    assert decoded == [label for label, probability in named if probability > 0.7]


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", ["from_df", "several", "from_path_func", "from_path_re", "from_lists", "datasets"]
)
def test_data_loaders_of_every_api_are_read(three_labels: Path, make: str) -> None:
    import fastai.vision.all as fastai
    import pandas as pd

    folder = three_labels
    files = sorted(fastai.get_image_files(folder))
    labels = [path.parent.name for path in files]
    frame = pd.DataFrame({"name": [str(path.relative_to(folder)) for path in files]})
    frame["label"], frame["many"] = labels, [f"{label} all" for label in labels]
    kinds = fastai.ImageDataLoaders
    usual: dict[str, Any] = {"item_tfms": fastai.Resize(64), "bs": 4, "num_workers": 0}
    if make == "datasets":
        targets = [fastai.parent_label, fastai.Categorize()]
        split = [list(range(6)), list(range(6, len(files)))]
        sets = fastai.Datasets(files, [[fastai.PILImage.create], targets], splits=split)
        items = [usual.pop("item_tfms"), fastai.ToTensor()]
        data = sets.dataloaders(after_item=items, after_batch=[fastai.IntToFloatTensor()], **usual)
    elif make == "several":
        data = kinds.from_df(frame, folder, label_col="many", label_delim=" ", **usual)
    else:
        more = {
            "from_df": (frame, folder),
            "from_path_func": (folder, files, lambda path: path.parent.name),
            "from_path_re": (folder, files, r"/([^/]+)/\d+.png$"),
            "from_lists": (folder, files, labels),
        }
        data = getattr(kinds, make)(*more[make], **usual)
    learner = vision(data, "test_byobnet")
    restored = read_back(learner)
    report = restored.report()
    assert report.labels == tuple(data.vocab)
    assert report.multilabel is (make == "several")
    expected = predict(learner, files[0])
    np.testing.assert_allclose(restored.predict(files[:1])[0], expected, atol=1e-6)
