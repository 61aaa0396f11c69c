"""``benchmarks.peer_graphs``: peers get the same network."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from benchmarks.peer_graphs import make_float_graph, write_transformers
from model import Bundle, Classifier


def test_float_graph_has_the_bundles_logits(imagenet: Classifier) -> None:
    bundle = imagenet.bundle
    graph = make_float_graph(bundle.read("graph.onnx"))
    session = ort.InferenceSession(graph.SerializeToString())
    mean, std = (np.array(values, np.float32) for values in _normalisation(bundle))
    pixels = bundle.golden.pixels[:2].astype(np.float32) / 255
    values = ((pixels - mean) / std).transpose(0, 3, 1, 2)
    (logits,) = session.run(["logits"], {"pixel_values": values})
    assert np.abs(logits - bundle.golden.logits[:2]).max() < 1e-3


def _normalisation(bundle: Bundle) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return bundle.manifest.architecture.mean, bundle.manifest.architecture.std


def test_transformers_gets_labels_sizes_and_both_graphs(
    imagenet: Classifier, tmp_path: Path
) -> None:
    write_transformers(imagenet.bundle, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert list(config["id2label"].values()) == list(imagenet.bundle.manifest.labels)
    preprocessor = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert preprocessor["size"] == {"shortest_edge": 256}
    assert preprocessor["crop_size"] == {"height": 224, "width": 224}
    sizes = [(tmp_path / "onnx" / name).stat().st_size for name in GRAPHS]
    assert sizes[1] < 0.3 * sizes[0]


GRAPHS = ("model.onnx", "model_quantized.onnx")


def test_other_preprocessing_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tiny"):
        write_transformers(tiny_bundle, tmp_path)
