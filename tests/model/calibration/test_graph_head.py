"""The last nodes of a graph, exchanged and taken out."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from model.calibration import Outputs
from model.calibration.graph_head import attach_head, extract_head
from model.calibration.scores import SCORES
from model.errors import BundleDamaged
from tests.model.tiny import graph


def run(data: bytes, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(data)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def fitted(fit, data: bytes, pixels: np.ndarray):
    found = run(data, pixels=pixels)
    known = Outputs(found["logits"], found["features"], np.arange(6) % 2)
    return fit(known, known)


@pytest.mark.parametrize("fit", SCORES)
@pytest.mark.parametrize("novelty", [True, False])
def test_the_tail_alone_gives_what_the_whole_gives(fit, novelty: bool, pixels) -> None:
    former = graph(novelty=novelty, temperature=1.5)
    score = fitted(fit, former, pixels)
    made = attach_head(former, 2.5, score, multilabel=False)
    assert attach_head(made, 2.5, score, multilabel=False) == made
    whole, before = run(made, pixels=pixels), run(former, pixels=pixels)
    assert list(whole) == ["logits", "features", "probabilities", "novelty"]
    assert np.array_equal(whole["logits"], before["logits"])
    calm = np.exp(before["logits"] / 2.5)
    assert whole["probabilities"] == pytest.approx(calm / calm.sum(axis=1, keepdims=True), abs=1e-6)
    assert whole["novelty"] == pytest.approx(
        score(whole["features"], whole["logits"]), rel=1e-5, abs=1e-6
    )
    tail = extract_head(made)
    assert len(onnx.load_from_string(tail).graph.node) < len(onnx.load_from_string(made).graph.node)
    wanted = {one.name for one in ort.InferenceSession(tail).get_inputs()}
    alone = run(tail, **{name: whole[name] for name in wanted})
    for name in ("probabilities", "novelty"):
        assert alone[name] == pytest.approx(whole[name], abs=1e-6)


def test_nothing_of_a_former_tail_is_left(pixels) -> None:
    former = graph(novelty=True)
    made = onnx.load_from_string(attach_head(former, 1.0, None, multilabel=True))
    assert [output.name for output in made.graph.output] == ["logits", "features", "probabilities"]
    names = {name for node in made.graph.node for name in node.output}
    assert not names & {"novelty", "squares", "nearness", "calibrated"}
    found = run(made.SerializeToString(), pixels=pixels)
    assert found["probabilities"] == pytest.approx(1 / (1 + np.exp(-found["logits"])), abs=1e-6)


def test_a_graph_without_features_is_refused() -> None:
    with pytest.raises(BundleDamaged, match="no output 'features'"):
        attach_head(graph(drop=("features",)), 1.0, None, multilabel=False)
