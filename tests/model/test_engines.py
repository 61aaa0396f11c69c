"""Engines: the contract of each over all kinds of bundles, and the table of engines."""

import socket
from collections.abc import Callable
from functools import partial
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


def open_builtin(name: str, _: Path) -> Bundle:
    return get_bundle(name)


KINDS: dict[str, Callable[[Path], Bundle]] = {
    "tiny": tiny,
    "calibrated": lambda models_dir: tiny(models_dir, confidence=CALIBRATED),
    "multilabel": lambda models_dir: tiny(models_dir, multilabel=True),
    "oblong": lambda models_dir: tiny(models_dir, side=(24, 40)),
    **{path.name: partial(open_builtin, path.name) for path in sorted(BUILTIN_DIR.iterdir())},
}


def _pairs() -> list[Any]:
    return [
        pytest.param(
            engine, kind, id=f"{engine}-{kind}", marks=[pytest.mark.torch] * (engine == "learner")
        )
        for kind in KINDS
        for engine, info in ENGINES.items()
        if info.runs_in == "server"
        if engine != "learner" or kind not in ("tiny", "calibrated", "multilabel", "oblong")
    ]


def pictures(bundle: Bundle) -> Pixels:
    """Return the pixels of three different photos by the bundle's recipe."""
    return np.stack([preprocess(image, bundle.manifest.recipe) for image in shapes(80)])


@pytest.mark.parametrize(("engine", "kind"), _pairs())
def test_engine_keeps_its_contract(models_dir: Path, engine: str, kind: str) -> None:
    bundle = KINDS[kind](models_dir)
    if engine not in bundle.manifest.engines:
        pytest.skip("the bundle lacks this engine")
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
    assert together.features.shape == (3, bundle.manifest.architecture.features)
    for array in (together.logits, together.features, together.probabilities):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
    assert (together.probabilities >= 0).all()
    assert (together.probabilities <= 1).all()
    if not bundle.manifest.multilabel:
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


def test_device_engine_cannot_be_loaded_on_the_server(tiny_bundle: Bundle) -> None:
    assert ENGINES["wasm"].runs_in == "device"
    assert ENGINES["wasm"].implementation is None
    assert available(tiny_bundle) == ("compiled",)
    with pytest.raises(EngineUnavailable, match="runs on the visitor's device, not on the server"):
        load("tiny", "wasm")


def _external(path: str) -> bytes:
    """Return the graph with one array in an external file."""
    model = onnx.load_from_string(graph())
    for tensor in model.graph.initializer:
        if tensor.name == "bias":
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", path), ("offset", "0"), ("length", "24")):
                tensor.external_data.add(key=key, value=value)
    return bytes(model.SerializeToString())


def _with_another_input() -> bytes:
    pixels = helper.make_tensor_value_info("photos", TensorProto.UINT8, ["N", 32, 32, 3])
    model = onnx.load_from_string(graph())
    model.graph.input[0].CopyFrom(pixels)
    model.graph.node[0].input[0] = "photos"
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "data",
    [b"", graph()[:300], graph(drop=["features"]), graph(side=(16, 16)), _with_another_input()],
    ids=["empty", "half", "without features", "other size", "other input"],
)
def test_graph_that_cannot_run_is_refused(tiny_bundle: Bundle, data: bytes) -> None:
    replace(tiny_bundle, "graph.onnx", data)
    with pytest.raises(BundleDamaged, match="again") as caught:
        load("tiny")
    assert str(tiny_bundle.folder / "graph.onnx") in str(caught.value)


def test_graph_with_fewer_labels_is_refused(tiny_bundle: Bundle) -> None:
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


def test_graph_cannot_read_other_files(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbers").write_bytes(np.zeros(6, dtype=np.float32).tobytes())
    for path in ("numbers", str(tmp_path / "numbers")):
        replace(tiny_bundle, "graph.onnx", _external(path))
        with pytest.raises(LoupeError, match=r"graph\.onnx"):
            load("tiny")


@pytest.mark.torch
def test_compiled_and_learner_engine_agree(imagenet: Classifier) -> None:
    learner = load("imagenet", "learner")
    assert learner.run_golden_test() <= 1e-4
    assert learner.engine.name == "learner"
    for sample in samples():
        compiled, eager = imagenet.identify(sample.path), learner.identify(sample.path)
        assert [item.label for item in compiled.top(5)] == [item.label for item in eager.top(5)]
        assert float(np.abs(compiled.probabilities - eager.probabilities).max()) <= 1e-4


@pytest.mark.torch
def test_weights_that_do_not_fit_are_refused(models_dir: Path) -> None:
    bundle = _with_weights(tiny(models_dir, "misfit"), b"no safetensors")
    with pytest.raises(BundleDamaged, match=r"weights\.safetensors doesn.t fit"):
        start(bundle, "learner")


@pytest.mark.torch
@pytest.mark.parametrize(
    ("library", "body"),
    [
        ("timm", "no_such_network"),
        ("torchvision", "list_models"),
        ("torchvision", "__doc__"),
        ("timm", "hf-hub:somebody/something"),
        ("timm", "local-dir:/etc"),
    ],
)
def test_unknown_architecture_is_refused_without_network_access(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, library: str, body: str
) -> None:
    connections = []

    def refuse(*args: object, **_: object) -> None:
        connections.append(args)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    # Libraries that retry must not wait.
    monkeypatch.setattr("time.sleep", lambda _: None)
    bundle = _with_weights(tiny(models_dir, "other"), b"")
    architecture = bundle.manifest.architecture.model_dump(mode="json")
    edit(bundle, architecture={**architecture, "library": library, "body": body})
    try:
        with pytest.raises(LoupeError, match="network|architecture"):
            start(Bundle.open(bundle.folder), "learner")
    finally:
        assert connections == []


def _with_weights(bundle: Bundle, data: bytes) -> Bundle:
    """Return the bundle with weights and a manifest that lists the learner engine."""
    replace(bundle, "weights.safetensors", data)
    body = {**bundle.manifest.architecture.model_dump(mode="json"), "body": "resnet18"}
    edit(bundle, engines=["compiled", "learner"], architecture={**body, "features": 512})
    return Bundle.open(bundle.folder)
