"""One contract for every model that ships: it says how good it is, and on what."""

import onnx
import pytest

from model import Bundle
from model.bundle import BUILTIN_DIR, get_bundle
from model.calibration.ood_detectors import MAX_DETECTOR_BYTES

NAMES = sorted(path.name for path in BUILTIN_DIR.iterdir())


@pytest.fixture(params=NAMES)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return get_bundle(request.param)


def test_it_says_what_it_is(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert manifest.engines == ("compiled", "learner")
    assert manifest.title != manifest.name
    assert len(manifest.description) > 40
    assert "not stated" not in (manifest.licence, manifest.data.licence)
    assert manifest.data.source.startswith("https://")
    assert manifest.data.photos
    assert {"command", "python", "torch", "fastai", "timm"} <= set(manifest.provenance)
    accuracy = manifest.metric("accuracy")
    assert accuracy
    assert accuracy.low < accuracy.value < accuracy.high


def test_it_is_no_larger_than_a_phone_wants(bundle: Bundle) -> None:
    assert bundle.size < 45_000_000


def test_its_card_is_whole_or_it_says_that_it_is_not_calibrated(bundle: Bundle) -> None:
    manifest = bundle.manifest
    if manifest.calibration is None:
        assert manifest.card is None
        assert "no calibration" in manifest.description
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
    assert sum(one.photos for one in card.reliability) == card.photos
    assert len(card.ood_sets) >= 2
    assert [one.name for one in card.detectors if one.selected] == [confidence.ood_detector]
    assert {truth for truth, _, _ in card.confusion} == set(range(len(bundle.labels)))
    assert card.command
    assert card.seed is not None


def test_what_trust_adds_to_the_graph_is_small(bundle: Bundle) -> None:
    graph = onnx.load_from_string(bundle.read("graph.onnx")).graph
    added = [one for one in graph.initializer if one.name.startswith("trust_")]
    assert sum(len(one.SerializeToString()) for one in added) <= MAX_DETECTOR_BYTES
    assert bool(added) == (bundle.manifest.calibration is not None)
