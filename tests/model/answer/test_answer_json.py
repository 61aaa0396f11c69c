"""``model.answer.answer_json``: reports of a browser, accepted or refused."""

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from model import Bundle
from model.answer.answer_json import MAX_LABELS, ReportedAnswer
from model.answer.prediction import Prediction
from tests.model.tiny import CALIBRATED, tiny

CLAIMS_NOTHING = {"known": None, "novelty": None, "plausible": None}


@pytest.fixture
def bundle(models_dir: Path) -> Bundle:
    """The model of colours, calibrated."""
    return tiny(models_dir, confidence=CALIBRATED)


def answer(**changes: Any) -> dict[str, Any]:
    """Return an answer that is accepted, with changes."""
    return {
        "labels": [[2, 0.7], [0, 0.2], [5, 0.1], [1, 0.0], [3, 0.0], [4, 0.0]],
        "known": True,
        "novelty": 0.125,
        "plausible": [2, 0],
        **changes,
    }


def read(bundle: Bundle, sent: object) -> Prediction | None:
    """Return the prediction that was reported, None if it contradicts itself."""
    reported = ReportedAnswer.model_validate_json(json.dumps(sent))
    if reported.find_contradiction(bundle):
        return None
    return reported.to_prediction(bundle, engine="wasm", milliseconds=None)


def test_answer_becomes_a_prediction(bundle: Bundle) -> None:
    prediction = read(bundle, answer())
    top = [(item.label, item.probability) for item in prediction.top(3)]
    assert top == [("blue", 0.7), ("red", 0.2), ("black", 0.1)]
    assert [item.label for item in prediction.prediction_set or ()] == ["blue", "red"]
    assert (prediction.in_distribution, prediction.ood_score) == (True, 0.125)


def test_order_of_equal_probabilities_is_kept(bundle: Bundle) -> None:
    labels = [[4, 0.3], [1, 0.3], [0, 0.3], [2, 0.1], [5, 0.0], [3, 0.0]]
    prediction = read(bundle, answer(labels=labels, plausible=[4, 1, 0]))
    assert [item.index for item in prediction.top(4)] == [4, 1, 0, 2]


REFUSED: dict[str, dict[str, Any]] = {
    "no label": {"labels": []},
    "too many labels": {"labels": [[0, 0.0]] * (MAX_LABELS + 1)},
    "a label twice": {"labels": [[2, 0.5], [2, 0.5]], "plausible": None},
    "a label the model lacks": {"labels": [[6, 1.0]], "plausible": [6]},
    "a negative label": {"labels": [[-1, 1.0]], "plausible": [-1]},
    "a label by name": {"labels": [["blue", 1.0]]},
    "not a number": {"labels": [[2, math.nan]]},
    "a negative probability": {"labels": [[2, -0.1]]},
    "a probability above one": {"labels": [[2, 1.1]]},
    "a wrong order": {"labels": [[2, 0.2], [0, 0.7]], "plausible": None},
    "a sum above one": {"labels": [[2, 0.7], [0, 0.7]], "plausible": None},
    "a sum below one": {"labels": [[label, 0.1] for label in range(6)], "plausible": None},
    "a plausible label that isn't the likeliest": {"plausible": [0]},
    "no plausible label": {"plausible": []},
    "text for known": {"known": "yes"},
    "an infinite score": {"novelty": -math.inf},
    "another field": {"headline": "<script>alert(1)</script>"},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
def test_answer_with_a_mistake_is_refused(bundle: Bundle, changes: dict[str, Any]) -> None:
    with suppress(ValidationError):
        assert read(bundle, answer(**changes)) is None


def test_answer_of_a_model_without_calibration_claims_none(models_dir: Path) -> None:
    plain = tiny(models_dir)
    accepted = read(plain, answer(**CLAIMS_NOTHING))
    assert accepted.prediction_set is None
    for claim in ({"known": False}, {"novelty": 0.0}, {"plausible": [2]}):
        assert read(plain, answer(**{**CLAIMS_NOTHING, **claim})) is None


def test_probabilities_of_several_labels_at_once_need_no_sum(models_dir: Path) -> None:
    several = tiny(models_dir, multilabel=True)
    prediction = read(several, answer(labels=[[1, 0.9], [0, 0.8]], **CLAIMS_NOTHING))
    assert prediction.answer == ["green", "red"]
