"""``benchmarks/peers``: pages and apps as their documentation would write them; equal graphs."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort

from benchmarks.device_peers import (
    VARIANTS,
    Readings,
    format_rows,
    make_float_graph,
    write_transformers,
)
from benchmarks.environment import PEERS
from model import Classifier
from model.preprocess import FILTERS


def test_every_variant_has_its_page() -> None:
    for variant in VARIANTS:
        text = (PEERS / variant.partition("?")[0]).read_text()
        assert "globalThis.identify" in text
        # A measurement must not load anything from another host.
        assert "https://" not in text


def test_times_are_followed_by_the_median_of_ratios() -> None:
    # The machine slows down tenfold in the last round.
    ours = Readings([100, 100, 1000], 8_400_000, [50, 50, 500], [40, 40, 400])
    theirs = Readings([200, 220, 2000], 24_000_000, [25, 40, 250], [20, 20, 200], 4)
    first, *_, last = VARIANTS
    rows = format_rows({first: ours, last: theirs}, 200)
    assert rows[0].endswith("| other answers of 200 |")
    assert rows[2].endswith("| 8.4 MB | 100 ms (1.00) | 50 ms (1.00) | 40 ms (1.00) | 0 |")
    assert rows[3].endswith("| 24.0 MB | 220 ms (2.00) | 40 ms (0.50) | 20 ms (0.50) | 4 |")


def test_float_graph_has_the_bundles_logits(imagenet: Classifier) -> None:
    golden, architecture = imagenet.bundle.golden, imagenet.bundle.manifest.architecture
    graph = make_float_graph(imagenet.bundle.read("graph.onnx"))
    session = ort.InferenceSession(graph.SerializeToString())
    mean, std = (np.array(v, np.float32) for v in (architecture.mean, architecture.std))
    values = ((golden.pixels[:2].astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2)
    (logits,) = session.run(["logits"], {"pixel_values": values})
    assert np.abs(logits - golden.logits[:2]).max() < 1e-3


def test_transformers_gets_labels_sizes_and_both_graphs(
    imagenet: Classifier, tmp_path: Path
) -> None:
    write_transformers(imagenet.bundle, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert list(config["id2label"].values()) == list(imagenet.bundle.manifest.labels)
    whole, quantized = (
        (tmp_path / "onnx" / f"model{suffix}.onnx").stat().st_size for suffix in ("", "_quantized")
    )
    assert quantized < 0.3 * whole


def test_peers_preprocess_as_the_bundle(imagenet: Classifier) -> None:
    config = json.loads((PEERS / "preprocessor_config.json").read_text())
    recipe, architecture = (
        getattr(imagenet.bundle.manifest, n) for n in ("recipe", "architecture")
    )
    resize, crop = config["size"]["shortest_edge"], config["crop_size"]
    assert (recipe.method, recipe.resize) == ("crop", (resize, resize))
    assert (FILTERS[recipe.interpolation], recipe.size) == (config["resample"], (*crop.values(),))
    assert config["rescale_factor"] == 1 / 255
    assert (architecture.mean, architecture.std) == (
        tuple(config["image_mean"]),
        tuple(config["image_std"]),
    )
    assert f"[{resize}, {crop['height']}]" in (PEERS / "litert.html").read_text()
