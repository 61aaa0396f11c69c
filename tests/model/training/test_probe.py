"""Linear heads, their features, a search by them, and photos that suggest another label."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import numpy_helper, parser

from model.browser.small_graph import make_small_graph
from model.calibration.graph_outputs import GraphOutputs
from model.events import SILENT
from model.training.config import FEATURES_FILE, Hyperparameters, TrainingConfig
from model.training.photo_report import find_doubtful_labels
from tests.model.training.pictures import LABELS, folder_of

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("data_folder")]


def noise() -> GraphOutputs:
    """Photos that say nothing about their label, each three times."""
    random, count = np.random.default_rng(0), 60
    features = random.normal(size=(count, 500)).astype(np.float32)
    targets = np.arange(count) % 2
    groups = np.repeat(np.arange(count), 3)
    logits = np.zeros((len(groups), 2), np.float32)
    return GraphOutputs(logits, features[groups], targets[groups], groups=groups)


def test_out_of_fold_heads_saw_neither_the_photo_nor_near_duplicates() -> None:
    from model.training.probe import cross_fit, fit_probe

    photos = noise()
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


def test_cached_features_of_another_network_are_ignored(tmp_path: Path) -> None:
    run = prepared(folder_of(tmp_path / "photos", 3), tmp_path)
    np.savez(tmp_path / FEATURES_FILE, keys=["resnet18-photo-x"], features=np.ones((1, 512)))
    run.compute_features()
    assert [features.shape[1] for features in run.load_features()] == [1280, 1280]


def test_search_without_photos_that_differ_uses_the_defaults(tmp_path: Path) -> None:
    from model.training.search import search_hyperparameters

    for label in LABELS:
        for number in (1, 2):
            folder_of(tmp_path / "photos", 4, 9 * number, (f"{label}/recording-{number}",))
    run = prepared(tmp_path / "photos", tmp_path)
    assert search_hyperparameters(run) == Hyperparameters()


def prepared(folder: Path, run_dir: Path) -> Any:
    from model.training.training_run import TrainingRun

    config = TrainingConfig.create(folder=folder, name="forms", image_size=32, search=0.01)
    return TrainingRun.prepare(config, run_dir, SILENT)


@pytest.mark.parametrize("wrong", [[], [3, 25, 50]])
def test_only_planted_wrong_labels_are_doubtful(wrong: list[int]) -> None:
    right = np.repeat([0, 1, 2], 20)
    features = np.random.default_rng(0).normal(3 * np.eye(8)[right], 0.1).astype(np.float32)
    given = right.copy()
    given[wrong] = (given[wrong] + 1) % 3
    doubtful = find_doubtful_labels(features, given, np.arange(60))
    assert sorted(doubtful) == [(place, right[place]) for place in wrong]
    # Too few photos, or too few that differ.
    few = features[:8], given[:8], np.arange(8) // 4
    assert find_doubtful_labels(*few) == []
