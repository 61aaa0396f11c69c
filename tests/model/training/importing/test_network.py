"""Networks found by name, rebuilt with the same answers, and compiled whatever they are."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model import Bundle
from model.bundle import ManifestDraft, publish
from model.engines import start
from model.errors import ExportRefused
from tests.model.training.importing.learners import loaders, pictures, vision

pytestmark = [
    pytest.mark.torch,
    # fastai 2.8 says it so for networks that it has no own entry for.
    pytest.mark.filterwarnings("ignore:The parameter 'pretrained' is deprecated:UserWarning"),
    pytest.mark.filterwarnings("ignore:Arguments other than a weight enum:UserWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures(tmp_path_factory.mktemp("network") / "photos")


@pytest.fixture(scope="module")
def data(folder: Path) -> Any:
    from fastai.vision.all import Normalize, Resize

    norm = Normalize.from_stats([0.5, 0.4, 0.3], [0.2, 0.3, 0.4], cuda=False)
    return loaders(folder, Resize(64), norm)


def found_in(learner: Any) -> Any:
    from model.training.importing.network import check_network, named_network
    from model.training.importing.pipeline import read_steps
    from model.training.importing.reading import read_learner

    check_network(learner.model)
    return named_network(learner, read_learner(learner, read_steps(learner), []))


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
        ("xresnet18", {}, ("custom", "Sequential", "custom", False)),
    ],
    ids=str,
)
def test_a_network_is_named_if_it_can_be_rebuilt(
    folder: Path, data: Any, body: str, options: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    from fastai.vision.all import Resize

    options = dict(options)
    if size := options.pop("size", None):
        data = loaders(folder, Resize(size))
    found = found_in(vision(data, arch(body), **options))
    named = found.architecture
    assert (named.library, named.body, named.head, found.learner) == expected
    assert found.labels == ("cat", "dog")
    assert not found.multilabel


def test_a_name_is_found_without_the_learners_own_word(data: Any) -> None:
    """As in exports of older fastai, which did not write it down."""
    for body, library in (("mobilenet_v3_small", "torchvision"), ("test_byobnet", "timm")):
        learner = vision(data, arch(body))
        del learner.arch
        found = found_in(learner)
        assert (found.architecture.library, found.architecture.body) == (library, body)


def test_a_head_of_one_layer_is_linear(data: Any) -> None:
    from fastai.vision.all import nn

    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 2))
    found = found_in(vision(data, arch("resnet18"), custom_head=head))
    assert (found.architecture.head, found.architecture.features, found.learner) == (
        "linear",
        512,
        True,
    )


def _bundle(shelf: Path, learner: Any) -> Bundle:
    from model.training.importing.pipeline import read_steps
    from model.training.onnx_export import export_onnx

    found = found_in(learner)
    steps = read_steps(learner)
    fill = lambda folder: export_onnx(learner, found.manifest(), folder, steps.scale)  # noqa: E731
    return publish(ManifestDraft.model_validate(found.values("made")), shelf, fill)


def test_a_bundle_of_timm_answers_the_same_by_both_engines(shelf: Path, folder: Path) -> None:
    from fastai.vision.all import Resize, aug_transforms

    sized = loaders(folder, Resize(100), aug_transforms(size=40, min_scale=0.75))
    bundle = _bundle(shelf, vision(sized, "test_byobnet"))
    assert bundle.manifest.recipe.graph_size == (40, 40)
    answers = [start(bundle, name).run(bundle.golden.pixels) for name in ("compiled", "learner")]
    for output in answers:
        np.testing.assert_allclose(output.probabilities, bundle.golden.probabilities, atol=1e-4)
        assert output.features.shape[1] == bundle.manifest.architecture.features
    np.testing.assert_allclose(answers[0].features, answers[1].features, rtol=1e-3, atol=1e-3)


def test_features_are_what_the_last_linear_layer_gets(shelf: Path, data: Any) -> None:
    import torch
    from fastai.vision.all import CrossEntropyLossFlat, Learner, nn

    class Twisted(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 5, 3, stride=4)
            self.answer = nn.Linear(5, 2)
            self.unused = nn.Linear(9, 9)

        def forward(self, x: Any) -> Any:
            return self.answer(self.stem(x).mean((2, 3)).relu()) * 3 + 1

    learner = Learner(data, Twisted(), loss_func=CrossEntropyLossFlat())
    bundle = _bundle(shelf, learner)
    named = bundle.manifest.architecture
    assert (named.library, named.body, named.features) == ("custom", "Twisted", 5)
    assert set(bundle.manifest.files) == {"graph.onnx", "golden.npz"}
    output = start(bundle, "compiled").run(bundle.golden.pixels)
    layer = learner.model.answer
    with torch.inference_mode():
        logits = layer(torch.from_numpy(output.features)) * 3 + 1
    np.testing.assert_allclose(output.logits, logits, atol=1e-4)


def test_without_a_linear_layer_features_are_the_logits(data: Any) -> None:
    from fastai.vision.all import CrossEntropyLossFlat, Learner, nn

    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = found_in(Learner(data, model, loss_func=CrossEntropyLossFlat()))
    assert (found.architecture.body, found.architecture.features) == ("Conv2d", 2)


def test_networks_that_do_not_fit_are_refused(data: Any) -> None:
    from fastai.vision.all import CrossEntropyLossFlat, Learner, nn

    def learner(*layers: Any) -> Any:
        return Learner(data, nn.Sequential(*layers), loss_func=CrossEntropyLossFlat())

    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    with pytest.raises(ExportRefused, match="1 channels"):
        found_in(learner(nn.Conv2d(1, 2, 3), *pool))
    with pytest.raises(ExportRefused, match=r"\(2, 7\).*2 labels"):
        found_in(learner(nn.Conv2d(3, 7, 3), *pool))
    broken = learner(nn.Conv2d(3, 2, 3), *pool)
    broken.model[0].weight.data.fill_(float("nan"))
    with pytest.raises(ExportRefused, match="NaN"):
        found_in(broken)


@pytest.mark.parametrize(
    ("vocab", "match"),
    [
        (["a", None], "One of its labels is 'None'"),
        (["a", float("nan")], "'nan'"),
        (["a", ""], "''"),
        (["a", "b" * 201], "'bbbb"),
        ([1, "1"], "read the same: '1'"),
        ([], "empty"),
        ([["a", "b"], ["c"]], "several questions"),
    ],
    ids=str,
)
def test_labels_that_cannot_be_shown_are_refused(vocab: list[Any], match: str) -> None:
    from model.training.importing.answers import labels

    with pytest.raises(ExportRefused, match=match):
        labels(SimpleNamespace(dls=SimpleNamespace(vocab=vocab)))


def test_labels_are_text_whatever_they_were() -> None:
    import pandas as pd
    from fastai.vision.all import CategoryMap, L

    from model.training.importing.answers import labels

    def of(vocab: Any) -> list[str]:
        return labels(SimpleNamespace(dls=SimpleNamespace(vocab=vocab)))

    assert of([3, 1.5, True]) == ["3", "1.5", "True"]
    assert of(L("b", "a")) == ["b", "a"]
    assert of(CategoryMap(pd.Series(["y", "x"]))) == ["x", "y"]
    assert of(CategoryMap(pd.Series(pd.Categorical(["y", "x"], categories=["y", "x"])))) == [
        "y",
        "x",
    ]
    assert of(pd.array([1, 2], dtype="Int64")) == ["1", "2"]
    with pytest.raises(ExportRefused, match="no labels"):
        labels(SimpleNamespace(dls=SimpleNamespace()))


def test_the_loss_says_what_answers_mean() -> None:
    from fastai.vision.all import (
        BCEWithLogitsLossFlat,
        CrossEntropyLossFlat,
        FocalLossFlat,
        LabelSmoothingCrossEntropy,
        MSELossFlat,
        nn,
    )

    from model.training.importing.answers import is_multilabel

    def of(loss: Any) -> bool:
        return is_multilabel(SimpleNamespace(loss_func=loss), 3)

    assert not of(CrossEntropyLossFlat())
    assert not of(LabelSmoothingCrossEntropy())
    assert not of(FocalLossFlat())
    assert not of(nn.CrossEntropyLoss())
    assert of(BCEWithLogitsLossFlat())
    assert of(nn.BCEWithLogitsLoss())
    with pytest.raises(ExportRefused, match="MSE"):
        of(MSELossFlat())


def test_a_learner_of_grey_photos_is_refused(folder: Path, data: Any, tmp_path: Path) -> None:
    from fastai.vision.all import PILImageBW, Resize

    from model.training.importing.answers import check_opening

    check_opening(SimpleNamespace(dls=data), tmp_path)
    grey = loaders(folder, Resize(64), image=PILImageBW)
    with pytest.raises(ExportRefused, match="PILImageBW"):
        check_opening(SimpleNamespace(dls=grey), tmp_path)
    assert list(tmp_path.iterdir()) == []
