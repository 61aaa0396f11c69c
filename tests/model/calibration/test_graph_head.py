"""The graph head: attached, replaced and extracted."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from model.calibration import GraphOutputs
from model.calibration.graph_head import attach_head
from model.calibration.ood_detectors import DETECTORS
from model.engines.compiled import extract_head
from model.errors import BundleDamaged
from tests.model.tiny import graph


def run(data: bytes, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    ort_session = ort.InferenceSession(data)
    names = [output.name for output in ort_session.get_outputs()]
    return dict(zip(names, ort_session.run(names, inputs), strict=True))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def as_outputs(values: dict[str, np.ndarray]) -> GraphOutputs:
    return GraphOutputs(values["logits"], values["features"], np.arange(6) % 2)


@pytest.mark.parametrize("fit", DETECTORS)
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
