"""Answers from visitors' devices, which may be anything: what is accepted and what is refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from model import Bundle
from model.decision import Certainty, certainty
from model.device_answer import MAX_LABELS, read_device_answer
from model.errors import DataError
from model.share_link import Signature, decode, encode
from tests.model.tiny import CALIBRATED, CARD, tiny

TIMES = {"decode": 1.5, "preprocess": 2, "engine": 30, "total": 34.25}


@pytest.fixture
def bundle(shelf: Path) -> Bundle:
    """The model of colours, calibrated."""
    return tiny(shelf, confidence=CALIBRATED)


def answer(bundle: Bundle, **changes: Any) -> dict[str, Any]:
    """Return an answer that is accepted, with changes."""
    return {
        "model": bundle.name,
        "version": bundle.version,
        "graph": "small",
        "labels": [[2, 0.7], [0, 0.2], [5, 0.1], [1, 0.0], [3, 0.0], [4, 0.0]],
        "known": True,
        "novelty": 0.125,
        "plausible": [2, 0],
        "milliseconds": TIMES,
        **changes,
    }


def test_answer_becomes_a_prediction(bundle: Bundle) -> None:
    prediction = read_device_answer(answer(bundle))
    assert (prediction.engine, prediction.graph) == ("wasm", "small")
    assert [(item.label, item.probability) for item in prediction.top(3)] == [
        ("blue", 0.7),
        ("red", 0.2),
        ("black", 0.1),
    ]
    assert [item.label for item in prediction.prediction_set or ()] == ["blue", "red"]
    assert prediction.in_distribution is True
    assert prediction.ood_score == 0.125
    assert prediction.milliseconds is not None
    assert prediction.milliseconds.total == 34.25
    assert certainty(prediction) is Certainty.FEW


def test_link_to_it_is_never_signed_and_says_so(bundle: Bundle) -> None:
    for graph in ("small", "full"):
        token = encode(read_device_answer(answer(bundle, graph=graph)))
        assert "." not in token
        shared = decode(token)
        assert shared.signature is Signature.DEVICE
        assert (shared.prediction.engine, shared.prediction.graph) == ("wasm", graph)
        assert shared.prediction.top(1)[0].label == "blue"


def test_order_of_equal_probabilities_is_kept(bundle: Bundle) -> None:
    labels = [[4, 0.3], [1, 0.3], [0, 0.3], [2, 0.1], [5, 0.0], [3, 0.0]]
    prediction = read_device_answer(answer(bundle, labels=labels, plausible=[4, 1, 0]))
    assert [item.index for item in prediction.top(4)] == [4, 1, 0, 2]


def test_open_page_may_run_the_previous_version(bundle: Bundle, shelf: Path) -> None:
    sent = answer(bundle)
    newer = tiny(shelf, confidence=CALIBRATED, card=CARD)
    assert newer.version != bundle.version
    assert read_device_answer(sent).version == bundle.version


REFUSED: dict[str, dict[str, Any]] = {
    "another model": {"model": "no-such-model"},
    "a path for a model": {"model": "../../etc/passwd"},
    "another version": {"version": "0" * 12},
    "a version with a line break": {"version": "0" * 12 + "\n"},
    "an unknown graph": {"graph": "huge"},
    "no label": {"labels": []},
    "too many labels": {"labels": [[0, 0.0]] * (MAX_LABELS + 1)},
    "a label twice": {"labels": [[2, 0.5], [2, 0.5]], "plausible": None},
    "a label the model lacks": {"labels": [[6, 1.0]], "plausible": [6]},
    "a negative label": {"labels": [[-1, 1.0]], "plausible": [-1]},
    "a label by name": {"labels": [["blue", 1.0]]},
    "a label as a number with a point": {"labels": [[2.5, 1.0]]},
    "true for a label": {"labels": [[True, 1.0]]},
    "a triple": {"labels": [[2, 1.0, 0.0]]},
    "not a number": {"labels": [[2, math.nan]]},
    "infinity": {"labels": [[2, math.inf]]},
    "a negative probability": {"labels": [[2, -0.1]]},
    "a probability above one": {"labels": [[2, 1.1]]},
    "a probability as text": {"labels": [[2, "1.0"]]},
    "a wrong order": {"labels": [[2, 0.2], [0, 0.7]], "plausible": None},
    "a sum above one": {"labels": [[2, 0.7], [0, 0.7]], "plausible": None},
    "a sum below one": {"labels": [[label, 0.1] for label in range(6)], "plausible": None},
    "a plausible label that isn't the likeliest": {"plausible": [0]},
    "no plausible label": {"plausible": []},
    "text for known": {"known": "yes"},
    "an infinite score": {"novelty": -math.inf},
    "a negative time": {"milliseconds": {**TIMES, "total": -1}},
    "an endless time": {"milliseconds": {**TIMES, "total": 1e12}},
    "no time": {"milliseconds": None},
    "another field": {"headline": "<script>alert(1)</script>"},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
def test_answer_with_a_mistake_is_refused(bundle: Bundle, changes: dict[str, Any]) -> None:
    with pytest.raises(DataError) as refused:
        read_device_answer(answer(bundle, **changes))
    # Nothing of what was sent is repeated.
    assert "script" not in str(refused.value)
    assert "passwd" not in str(refused.value)


def test_answer_of_a_model_without_calibration_claims_none(shelf: Path) -> None:
    plain = tiny(shelf)
    claims = {"known": None, "novelty": None, "plausible": None}
    assert read_device_answer(answer(plain, **claims)).prediction_set is None
    for claim in ({"known": False}, {"novelty": 0.0}, {"plausible": [2]}):
        with pytest.raises(DataError):
            read_device_answer(answer(plain, **{**claims, **claim}))


def test_probabilities_of_several_labels_at_once_need_no_sum(shelf: Path) -> None:
    several = tiny(shelf, multilabel=True)
    claims = {"known": None, "novelty": None, "plausible": None}
    prediction = read_device_answer(answer(several, labels=[[1, 0.9], [0, 0.8]], **claims))
    assert prediction.answer == ["green", "red"]
    strict = tiny(shelf, "strict", multilabel=True, threshold=0.85)
    prediction = read_device_answer(answer(strict, labels=[[1, 0.9], [0, 0.8]], **claims))
    assert prediction.answer == ["green"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(data=JSON, field=st.sampled_from(["labels", "model", "version", "plausible", "known"]))
@given_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200
)
def test_anything_else_is_refused_without_an_exception_of_its_own(
    bundle: Bundle, data: object, field: str
) -> None:
    for sent in (data, answer(bundle, **{field: data})):
        try:
            read_device_answer(sent)
        except DataError:
            continue
        # Accepted only if it is what a device may say.
        assert json.dumps(sent) in {
            json.dumps(answer(bundle, **{field: value}))
            for value in (True, False, None)
            if field in ("known", "plausible")
        }


def test_deeply_nested_answer_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(DataError):
        read_device_answer({"labels": nested})
