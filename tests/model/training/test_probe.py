"""The linear head, and the logits of heads that were fitted to the other photos."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import numpy_helper, parser

from model.browser.small_graph import make_small_graph
from model.calibration import GraphOutputs

pytestmark = pytest.mark.torch


def noise(copies: int) -> GraphOutputs:
    """Photos that say nothing about their label, each with ``copies`` that look alike."""
    random, count = np.random.default_rng(0), 60
    features = random.normal(size=(count, 500)).astype(np.float32)
    targets = np.arange(count) % 2
    groups = np.repeat(np.arange(count), copies)
    return GraphOutputs(
        np.zeros((count * copies, 2), np.float32), features[groups], targets[groups], groups=groups
    )


@pytest.mark.parametrize("copies", [1, 3])
def test_out_of_fold_heads_saw_neither_the_photo_nor_near_duplicates(copies: int) -> None:
    from model.training.probe import cross_fit, fit_probe

    photos = noise(copies)
    head = fit_probe(photos.features, photos.targets)
    assert head.accuracy(photos.features, photos.targets.tolist()) == 1
    full, small = cross_fit(photos, photos, 0)
    for outputs in (full, small):
        assert (outputs.predicted == photos.targets).mean() < 0.7


def test_small_graphs_logits_are_those_of_its_rounded_weights() -> None:
    from model.training.probe import Probe

    random = np.random.default_rng(0)
    weight, bias = (random.normal(size=size).astype(np.float32) for size in ((4, 300), 4))
    features = random.normal(size=(9, 300)).astype(np.float32)
    layer = parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18]> head (float[N, 300] features) => '
        "(float[N, 4] logits) { logits = Gemm <transB = 1> (features, weight, bias) }"
    )
    layer.graph.initializer.extend(
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
    )
    session = ort.InferenceSession(make_small_graph(layer.SerializeToString()))
    (expected,) = session.run(None, {"features": features})
    head = Probe(weight, bias)
    assert head.logits(features, small=True) == pytest.approx(expected, abs=1e-4)
    assert np.abs(head.logits(features) - expected).max() > 1e-3
