"""Built-in models: one contract for their manifest, size and card."""

import onnx
import onnx.utils
import pytest

from model import Bundle
from model.bundle import BUILTIN_DIR, get_bundle
from model.calibration.ood_detectors import MAX_DETECTOR_BYTES

NAMES = sorted(path.name for path in BUILTIN_DIR.iterdir())


@pytest.fixture(params=NAMES)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return get_bundle(request.param)


def test_manifest_is_complete(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert manifest.engines == ("compiled", "learner")
    assert manifest.title != manifest.name
    assert bundle.size < 45_000_000
    assert len(manifest.description) > 40
    assert "not stated" not in (manifest.licence, manifest.data.licence)
    assert manifest.data.source.startswith("https://")
    assert manifest.data.photos
    assert {"command", "python", "torch", "fastai", "timm"} <= set(manifest.provenance)
    accuracy = manifest.metric("accuracy")
    assert accuracy
    assert accuracy.low < accuracy.value < accuracy.high


def test_card_is_complete_or_the_model_is_estimated(bundle: Bundle) -> None:
    manifest = bundle.manifest
    if not manifest.is_calibrated:
        assert manifest.card is None
        assert manifest.is_estimated
        assert "percentages are estimated" in manifest.description
        return
    card, confidence = manifest.card, manifest.calibration
    assert card
    assert confidence.prediction_set
    assert confidence.ood_threshold is not None
    assert card.photos >= 300
    for name in ("coverage", "kept", "calibration_error", "calibration_error_before"):
        metric = manifest.metric(name)
        assert metric, name
        assert metric.photos == card.photos
    assert sum(item.photos for item in card.reliability) == card.photos
    assert len(card.ood_sets) >= 2
    assert [item.name for item in card.detectors if item.selected] == [confidence.ood_detector]
    assert {truth for truth, _, _ in card.confusion} == set(range(len(bundle.labels)))
    assert card.command
    assert card.seed is not None


def test_graph_head_is_small(bundle: Bundle) -> None:
    model = onnx.load_from_string(bundle.read("graph.onnx"))
    has_score = any(output.name == "novelty" for output in model.graph.output)
    assert has_score == bundle.manifest.is_calibrated
    if has_score:
        head = onnx.utils.Extractor(model).extract_model(["features", "logits"], ["novelty"])
        size = sum(len(item.SerializeToString()) for item in head.graph.initializer)
        # The tensors of the detector, whatever they are called.
        assert 1000 < size <= MAX_DETECTOR_BYTES
