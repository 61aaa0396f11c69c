"""OOD detectors against their sources' formulas, and the graph head that they are part of."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from scipy.special import softmax

from model.calibration import ood_detectors
from model.calibration.graph_head import attach_head
from model.calibration.graph_outputs import GraphOutputs
from model.engines.compiled import extract_head
from model.errors import BundleDamaged
from tests.model.calibration.conftest import id_outputs, ood_outputs
from tests.model.tiny import graph


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_maximum_probability_matches_numpy() -> None:
    photos = id_outputs(50)
    expected = -softmax(photos.logits, axis=1).max(axis=1)
    assert ood_detectors.maximum_probability(photos)(photos) == pytest.approx(expected, rel=1e-4)


def test_subspace_distance_matches_principal_components() -> None:
    photos, ood = id_outputs(300), ood_outputs(20)
    mean = unit(photos.features).mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(unit(photos.features).astype(np.float64).T))
    expected = np.linalg.norm((unit(ood.features) - mean) @ axes[:, :-8], axis=1)
    assert ood_detectors.subspace_distance(photos)(ood) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("fit", ood_detectors.DETECTORS)
def test_score_of_a_photo_does_not_depend_on_its_batch(fit) -> None:
    photos, ood = id_outputs(400), ood_outputs(100)
    detector = fit(photos, photos)
    alone = [detector(ood.subset(np.array([place])))[0] for place in range(len(ood))]
    assert detector(ood) == pytest.approx(np.array(alone), rel=1e-4, abs=1e-5)


def test_gated_margin_ranks_photos_beyond_the_gate_above_all_within() -> None:
    photos, held_out, ood = id_outputs(600, 1), id_outputs(300, 2), ood_outputs(300)
    # Put the OOD photos where the features of the labels vary least.
    _, axes = np.linalg.eigh(np.cov(unit(photos.features).astype(np.float64).T))
    features = np.random.default_rng(0).normal(size=(300, 4)) @ axes[:, :4].T
    ood = replace(ood, features=features.astype(np.float32))
    detector, distance = (
        ood_detectors.gated_margin(photos, held_out),
        ood_detectors.subspace_distance(photos),
    )
    distances = distance(held_out)
    gate = np.quantile(distances, ood_detectors.GATE_QUANTILE)
    within = distances <= gate
    first, second = np.sort(held_out.logits[within], axis=1)[:, :-3:-1].T
    scores = detector(held_out)
    assert scores[within] == pytest.approx(second - first, abs=1e-4)
    beyond = distance(ood) > gate + distances.std()
    assert beyond.mean() > 0.2
    assert detector(ood)[beyond].min() > scores[within].max()


def test_detector_stays_below_the_size_limit() -> None:
    random, most = np.random.default_rng(0), ood_detectors.MAX_DETECTOR_BYTES
    numbers = random.normal(size=(300, 3 + 4096)).astype(np.float32)
    photos = GraphOutputs(numbers[:, :3], numbers[:, 3:], np.arange(300) % 3)
    # As many axes as fit, since these photos would give more.
    assert most - 4 * 4096 < ood_detectors.gated_margin(photos, photos).size_bytes <= most


def run(data: bytes, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    ort_session = ort.InferenceSession(data)
    names = [output.name for output in ort_session.get_outputs()]
    return dict(zip(names, ort_session.run(names, inputs), strict=True))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def as_outputs(values: dict[str, np.ndarray]) -> GraphOutputs:
    return GraphOutputs(values["logits"], values["features"], np.arange(6) % 2)


@pytest.mark.parametrize("fit", ood_detectors.DETECTORS)
@pytest.mark.parametrize("novelty", [True, False])
def test_extracted_head_gives_the_outputs_of_the_full_graph(fit, novelty: bool, pixels) -> None:
    previous = graph(novelty=novelty, temperature=1.5)
    before = run(previous, pixels=pixels)
    detector = fit(as_outputs(before), as_outputs(before))
    new = attach_head(previous, 2.5, detector)
    assert attach_head(new, 2.5, detector) == new
    full = run(new, pixels=pixels)
    assert list(full) == ["logits", "features", "probabilities", "novelty"]
    assert np.array_equal(full["logits"], before["logits"])
    exponentials = np.exp(before["logits"] / 2.5)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert full["probabilities"] == pytest.approx(expected, abs=1e-6)
    assert full["novelty"] == pytest.approx(detector(as_outputs(full)), rel=1e-5, abs=1e-6)
    head = extract_head(new)
    assert len(onnx.load_from_string(head).graph.node) < len(onnx.load_from_string(new).graph.node)
    inputs = {part.name for part in ort.InferenceSession(head).get_inputs()}
    alone = run(head, **{name: full[name] for name in inputs})
    for name in ("probabilities", "novelty"):
        assert alone[name] == pytest.approx(full[name], abs=1e-6)


def test_attaching_a_head_removes_the_previous_one(pixels) -> None:
    new = onnx.load_from_string(attach_head(graph(novelty=True), 1.0, None))
    assert [output.name for output in new.graph.output] == ["logits", "features", "probabilities"]
    names = {name for node in new.graph.node for name in node.output}
    assert not names & {"novelty", "squares", "nearness", "calibrated"}
    outputs = run(new.SerializeToString(), pixels=pixels)
    exponentials = np.exp(outputs["logits"])
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert outputs["probabilities"] == pytest.approx(expected, abs=1e-6)


def test_graph_without_features_is_refused() -> None:
    with pytest.raises(BundleDamaged, match="no output 'features'"):
        attach_head(graph(drop=("features",)), 1.0, None)
