"""Predictions: ranking, the answer when in or out of distribution, JSON."""

import json
from typing import Any

import numpy as np
import pytest

from model import Candidate, Prediction
from model.answer.prediction import Milliseconds


def prediction(probabilities: list[float], **options: Any) -> Prediction:
    return Prediction(
        model="tiny",
        version="0" * 12,
        engine="fake",
        labels=tuple("abcdef"[: len(probabilities)]),
        probabilities=np.array(probabilities, dtype=np.float32),
        **{"milliseconds": None, **options},
    )


def test_most_probable_labels_come_first() -> None:
    top = prediction([0.1, 0.6, 0.3]).top(2)
    assert [item.label for item in top] == ["b", "c"]
    assert top[0] == Candidate(1, "b", pytest.approx(0.6))  # type: ignore[arg-type]


def test_ties_keep_the_bundles_order() -> None:
    assert [item.label for item in prediction([0.2, 0.4, 0.4, 0.0, 0.0]).top()] == list("bcade")


@pytest.mark.parametrize(("count", "length"), [(-1, 0), (0, 0), (1, 1), (3, 3), (99, 3)])
def test_top_returns_the_requested_number_of_labels(count: int, length: int) -> None:
    assert len(prediction([0.1, 0.6, 0.3]).top(count)) == length


@pytest.mark.parametrize(("known", "answer"), [(None, "b"), (True, "b"), (False, None)])
def test_ood_prediction_has_no_answer(known: bool | None, answer: str | None) -> None:
    assert prediction([0.1, 0.9], in_distribution=known).answer == answer


@pytest.mark.parametrize(
    ("probabilities", "answer"),
    [([0.5, 0.2, 0.9], ["c", "a"]), ([0.49, 0.1, 0.2], []), ([1, 1, 1], ["a", "b", "c"])],
)
def test_multilabel_answer_has_labels_of_one_half_or_more(
    probabilities: list[float], answer: list[str]
) -> None:
    assert prediction(probabilities, multilabel=True).answer == answer


@pytest.mark.parametrize(("threshold", "answer"), [(0.2, ["c", "b"]), (0.4, ["c"]), (0.400001, [])])
def test_threshold_of_a_model_decides(threshold: float, answer: list[str]) -> None:
    found = prediction([0.1, 0.2, 0.4], multilabel=True, present_from=threshold)
    assert found.answer == answer


def test_prediction_is_plain_json() -> None:
    whole = prediction(
        [0.1234567, 0.8765433],
        milliseconds=Milliseconds(1.23456, 2, 3, 6.5),
        in_distribution=True,
        ood_score=0.25,
        prediction_set=(Candidate(1, "b", 0.8765433),),
    )
    assert json.loads(json.dumps(whole.to_dict("a photo.jpg", 1))) == {
        "photo": "a photo.jpg",
        "model": "tiny",
        "version": "0" * 12,
        "engine": "fake",
        "answer": "b",
        "candidates": [{"label": "b", "probability": 0.876543}],
        "known": True,
        "novelty": 0.25,
        "plausible": ["b"],
        "milliseconds": {"decode": 1.23, "preprocess": 2, "engine": 3, "total": 6.5},
    }
