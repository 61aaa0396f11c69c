"""What every engine owes, held for all of them over all kinds of bundles."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from model import Bundle, Classifier, load
from model.bundle import BUILTIN_DIR, get_bundle
from model.engines import ENGINES, Engine, available, start
from model.errors import BundleDamaged, BundleError, EngineUnavailable, LoupeError
from model.preprocess import Pixels, preprocess
from model.samples import samples, shapes
from tests.model.tiny import CALIBRATED, edit, graph, replace, tiny

KINDS: dict[str, Callable[[Path], Bundle]] = {
    "tiny": tiny,
    "calibrated": lambda shelf: tiny(shelf, confidence=CALIBRATED),
    "multilabel": lambda shelf: tiny(shelf, multilabel=True),
    "oblong": lambda shelf: tiny(shelf, side=(24, 40)),
    **{
        path.name: lambda _, name=path.name: get_bundle(name)
        for path in sorted(BUILTIN_DIR.iterdir())
    },  # type: ignore[misc]
}


def _pairs() -> list[Any]:
    return [
        pytest.param(
            engine, kind, id=f"{engine}-{kind}", marks=[pytest.mark.torch] * (engine == "learner")
        )
        for kind in KINDS
        for engine in ENGINES
        if engine != "learner" or kind not in ("tiny", "calibrated", "multilabel", "oblong")
    ]


def pictures(bundle: Bundle) -> Pixels:
    """Three different photos as the bundle takes them."""
    return np.stack([preprocess(image, bundle.manifest.recipe) for image in shapes(80)])


@pytest.mark.parametrize(("engine", "kind"), _pairs())
def test_every_engine_keeps_its_promise(shelf: Path, engine: str, kind: str) -> None:
    bundle = KINDS[kind](shelf)
    if engine != "fake" and engine not in bundle.manifest.engines:
        pytest.skip("the bundle lacks it, and says so")
    started = start(bundle, engine)
    assert isinstance(started, Engine)
    assert started.name == engine
    assert started.bundle is bundle
    pixels = pictures(bundle)
    before = pixels.copy()
    together = started.run(pixels)
    np.testing.assert_array_equal(pixels, before)
    labels = len(bundle.labels)
    assert together.logits.shape == together.probabilities.shape == (3, labels)
    assert together.features.shape[0] == 3
    assert together.features.ndim == 2
    if engine != "fake":
        assert together.features.shape[1] == bundle.manifest.architecture.features
    for array in (together.logits, together.features, together.probabilities):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
    assert (together.probabilities >= 0).all()
    assert (together.probabilities <= 1).all()
    if not bundle.manifest.multilabel or engine == "fake":
        np.testing.assert_allclose(together.probabilities.sum(axis=1), 1, atol=1e-5)
    if together.ood_score is not None:
        assert together.ood_score.shape == (3,)
        assert together.ood_score.dtype == np.float32
    for index in range(3):
        alone = started.run(pixels[index : index + 1])
        np.testing.assert_allclose(alone.probabilities[0], together.probabilities[index], atol=1e-4)
        np.testing.assert_allclose(
            alone.features[0], together.features[index], rtol=1e-3, atol=1e-3
        )
    again = started.run(pixels)
    np.testing.assert_array_equal(again.probabilities, together.probabilities)


@pytest.mark.parametrize("kind", ["tiny", "calibrated", "multilabel"])
def test_probabilities_are_the_calibrated_logits(shelf: Path, kind: str) -> None:
    bundle = KINDS[kind](shelf)
    output = start(bundle, "compiled").run(pictures(bundle))
    confidence = bundle.manifest.calibration
    scaled = output.logits.astype(np.float64) / (confidence.temperature if confidence else 1.0)
    if kind == "multilabel":
        wanted = 1 / (1 + np.exp(-scaled))
    else:
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        wanted = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(output.probabilities, wanted, atol=1e-5)


def test_novelty_comes_with_calibration(shelf: Path) -> None:
    plain, calibrated = tiny(shelf, "plain"), tiny(shelf, "calibrated", confidence=CALIBRATED)
    pixels = pictures(plain)
    assert start(plain, "compiled").run(pixels).ood_score is None
    assert start(calibrated, "compiled").run(pixels).ood_score is not None


def test_the_fake_is_deterministic_and_depends_on_the_photo(tiny_bundle: Bundle) -> None:
    pixels = np.stack([np.full((32, 32, 3), value, dtype=np.uint8) for value in range(6)])
    first = start(tiny_bundle, "fake").run(pixels).probabilities
    np.testing.assert_array_equal(first, start(tiny_bundle, "fake").run(pixels).probabilities)
    assert len(set(first.argmax(axis=1))) > 1


def test_a_model_can_be_loaded_with_the_fake(tiny_bundle: Bundle) -> None:
    prediction = load("tiny", "fake").identify(shapes(64)[0])
    assert prediction.engine == "fake"
    assert prediction.answer in tiny_bundle.labels


def test_what_is_not_installed_is_named(
    imagenet: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "model.engine_info.find_spec", lambda name: None if name == "fastai" else name
    )
    assert available(imagenet.bundle) == ("compiled",)
    with pytest.raises(
        EngineUnavailable, match=r"needs fastai, which isn.t installed.*requirements\.txt"
    ):
        start(imagenet.bundle, "learner")


def test_a_model_without_an_engine_says_which_it_has(tiny_bundle: Bundle) -> None:
    assert available(tiny_bundle) == ("compiled",)
    with pytest.raises(EngineUnavailable, match="Available: compiled"):
        start(tiny_bundle, "learner")


def _external(path: str) -> bytes:
    """The graph with a number that lies in a file elsewhere."""
    model = onnx.load_from_string(graph())
    for tensor in model.graph.initializer:
        if tensor.name == "bias":
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", path), ("offset", "0"), ("length", "24")):
                tensor.external_data.add(key=key, value=value)
    return bytes(model.SerializeToString())


def _of_two_photos() -> bytes:
    pixels = helper.make_tensor_value_info("photos", TensorProto.UINT8, ["N", 32, 32, 3])
    model = onnx.load_from_string(graph())
    model.graph.input[0].CopyFrom(pixels)
    model.graph.node[0].input[0] = "photos"
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no graph at all",
        graph()[:300],
        graph(drop=["features"]),
        graph(side=(16, 16)),
        _of_two_photos(),
    ],
    ids=["empty", "text", "half", "without features", "other size", "other input"],
)
def test_a_graph_that_cannot_run_is_refused(tiny_bundle: Bundle, data: bytes) -> None:
    replace(tiny_bundle, "graph.onnx", data)
    with pytest.raises(BundleDamaged, match="again") as caught:
        load("tiny")
    assert str(tiny_bundle.folder / "graph.onnx") in str(caught.value)


def test_a_graph_of_fewer_labels_is_refused(tiny_bundle: Bundle) -> None:
    model = onnx.load_from_string(graph())
    model.graph.node.append(
        helper.make_node("Slice", ["all", "zero", "five", "axis"], ["probabilities"])
    )
    model.graph.node[7].output[0] = "all"
    for name, number in (("zero", 0), ("five", 5), ("axis", 1)):
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array([number], dtype=np.int64), name)
        )
    model.graph.output[2].type.tensor_type.shape.dim[1].dim_value = 5
    replace(tiny_bundle, "graph.onnx", bytes(model.SerializeToString()))
    with pytest.raises(BundleError, match="again"):
        load("tiny")


def test_a_graph_reads_no_other_file(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbers").write_bytes(np.zeros(6, dtype=np.float32).tobytes())
    for path in ("numbers", str(tmp_path / "numbers")):
        replace(tiny_bundle, "graph.onnx", _external(path))
        with pytest.raises(LoupeError, match=r"graph\.onnx"):
            load("tiny")


@pytest.mark.torch
def test_compiled_and_learner_agree(imagenet: Classifier) -> None:
    learner = load("imagenet", "learner")
    assert learner.run_golden_test() <= 1e-4
    assert learner.engine.name == "learner"
    for sample in samples():
        compiled, eager = imagenet.identify(sample.path), learner.identify(sample.path)
        assert [one.label for one in compiled.top(5)] == [one.label for one in eager.top(5)]
        assert float(np.abs(compiled.probabilities - eager.probabilities).max()) <= 1e-4


@pytest.mark.torch
def test_weights_that_do_not_fit_are_refused(
    imagenet: Classifier, shelf: Path, tmp_path: Path
) -> None:
    bundle = _with_weights(tiny(shelf, "misfit"), b"no safetensors")
    with pytest.raises(BundleDamaged, match=r"weights\.safetensors doesn't fit"):
        start(bundle, "learner")


@pytest.mark.torch
@pytest.mark.parametrize(
    ("library", "body"),
    [
        ("timm", "no_such_network"),
        ("torchvision", "no_such_network"),
        ("torchvision", "list_models"),
        ("torchvision", "__doc__"),
        ("timm", "hf-hub:somebody/something"),
        ("timm", "local-dir:/etc"),
    ],
)
def test_an_unknown_network_is_refused_without_asking_the_network(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, library: str, body: str
) -> None:
    asked = []

    def refuse(*args: object, **_: object) -> None:
        asked.append(args)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    # Whoever tries again need not wait here.
    monkeypatch.setattr("time.sleep", lambda _: None)
    bundle = _with_weights(tiny(shelf, "other"), b"")
    edit(
        bundle,
        architecture={
            **bundle.manifest.architecture.model_dump(mode="json"),
            "library": library,
            "body": body,
        },
    )
    try:
        with pytest.raises(LoupeError, match="network|architecture"):
            start(Bundle.open(bundle.folder), "learner")
    finally:
        assert asked == []


def _with_weights(bundle: Bundle, data: bytes) -> Bundle:
    """The bundle as one that says it has a learner."""
    replace(bundle, "weights.safetensors", data)
    body = {**bundle.manifest.architecture.model_dump(mode="json"), "body": "resnet18"}
    edit(bundle, engines=["compiled", "learner"], architecture={**body, "features": 512})
    return Bundle.open(bundle.folder)
