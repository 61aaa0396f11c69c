"""``model.json``: which calibration the small graph gets, and how large the files are."""

import gzip
import hashlib
import json
import logging
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from model import Bundle
from model.answer.phrases import device_words
from model.browser.device_files import (
    Graph,
    calibration_json,
    device_dir,
    device_name,
    full_json,
    run_graph,
    small_card_in_use,
)
from model.browser.small_graph import make_small_graph, with_temperature
from model.bundle import BUILTIN_DIR, SMALL_CARD, SmallCard, read_small_card, write_small_card
from tests.model.browser.networks import small_graph
from tests.model.tiny import CALIBRATED, small_card

MAX_BYTES = {"clothing": 4_100_000, "imagenet": 5_200_000}
"""Largest small graph, compressed as it is sent."""


def write_card(bundle: Bundle, graph: bytes) -> SmallCard:
    confidence = {**CALIBRATED, "temperature": 3.0, "novelty": 0.125}
    changes = {"graph": hashlib.sha256(graph).hexdigest(), "confidence": confidence}
    card = SmallCard.model_validate(small_card(bundle) | changes)
    write_small_card(bundle, card)
    return card


def read_info(bundle: Bundle) -> dict[str, Any]:
    info: dict[str, Any] = json.loads((device_dir(bundle) / "model.json").read_text("utf-8"))
    return info


def read_graph(bundle: Bundle, name: Graph) -> bytes:
    entry = full_json(bundle) if name == "full" else read_info(bundle)["graphs"][name]
    return gzip.decompress((device_dir(bundle, name) / entry["url"]).read_bytes())


def test_small_graph_decides_by_its_own_calibration(calibrated_bundle: Bundle) -> None:
    bundle = calibrated_bundle
    before = device_name(bundle)
    assert read_info(bundle)["graphs"]["small"]["measured"] is False
    assert small_card_in_use(bundle) is None
    card = write_card(bundle, make_small_graph(bundle.read("graph.onnx")))
    # Made again, though the version is the same.
    assert device_name(bundle) != before
    graphs = read_info(bundle)["graphs"]
    assert graphs["small"]["measured"] is True
    assert graphs["small"]["calibration"] == calibration_json(card.calibration)
    assert full_json(bundle)["calibration"] == calibration_json(bundle.manifest.calibration)
    assert small_card_in_use(bundle) == card
    pixels = bundle.golden.pixels[:2]
    outputs = run_graph(read_graph(bundle, "small"), pixels)
    scaled = np.exp(outputs["logits"] / 3.0)
    assert outputs["probabilities"] == pytest.approx(
        scaled / scaled.sum(axis=1, keepdims=True), abs=1e-6
    )
    recorded = graphs["small"]["golden"]["probabilities"]
    assert outputs["probabilities"] == pytest.approx(np.array(recorded), abs=1e-5)
    full = run_graph(read_graph(bundle, "full"), pixels)
    assert full["probabilities"] == pytest.approx(bundle.golden.probabilities[:2], abs=1e-5)
    words = device_words(bundle.manifest, card)
    assert words["records"]["small"]["labels"] != words["records"]["full"]


@pytest.mark.parametrize("kind", ["another graph", "damaged"])
def test_calibration_of_another_graph_is_ignored(
    kind: str, calibrated_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = calibrated_bundle
    if kind == "another graph":
        write_card(bundle, b"another graph")
    else:
        (bundle.folder / SMALL_CARD).write_text("{")
    with caplog.at_level(logging.WARNING, "loupe"):
        small = read_info(bundle)["graphs"]["small"]
    assert small["measured"] is False
    assert small["calibration"] == calibration_json(bundle.manifest.calibration)
    assert SMALL_CARD in caplog.text
    assert small_card_in_use(bundle) is None


def test_temperature_is_replaced_and_nothing_else(calibrated_bundle: Bundle) -> None:
    graph = calibrated_bundle.read("graph.onnx")
    before, after = (
        {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in onnx.load_from_string(data).graph.initializer
        }
        for data in (graph, with_temperature(graph, 9.0))
    )
    assert after["temperature"] == 9.0
    changed = {name for name, value in before.items() if not np.array_equal(value, after[name])}
    assert changed == {"temperature"}


@pytest.mark.parametrize("name", sorted(MAX_BYTES))
def test_builtin_small_graph_is_the_one_measured_and_is_small(name: str) -> None:
    bundle, graph = Bundle.open(BUILTIN_DIR / name), small_graph(name)
    assert len(gzip.compress(graph, mtime=0)) <= MAX_BYTES[name]
    card = read_small_card(bundle)
    assert card.graph == hashlib.sha256(graph).hexdigest()
