"""``model.answer.prediction``: order of the candidates, prediction set, distribution, certainty."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import Candidate, Prediction
from model.answer import prediction as answers
from model.bundle import Calibration, PredictionSetRule


def prediction(probabilities: list[float], **options: Any) -> Prediction:
    return Prediction(
        model="tiny",
        version="0" * 12,
        engine="fake",
        labels=tuple("abcdef"[: len(probabilities)]),
        probabilities=np.array(probabilities, dtype=np.float32),
        **{"milliseconds": None, **options},
    )


def test_top_has_the_most_probable_labels_and_ties_keep_the_bundles_order() -> None:
    found = prediction([0.1, 0.6, 0.3])
    assert found.top(2) == [Candidate(1, "b", 0.6), Candidate(2, "c", 0.3)]
    assert [len(found.top(count)) for count in (-1, 0, 1, 3, 99)] == [0, 0, 1, 3, 3]
    assert [item.label for item in prediction([0.2, 0.4, 0.4, 0.0, 0.0]).top()] == list("bcade")


def test_ood_prediction_has_no_answer() -> None:
    for known, answer in {None: "b", True: "b", False: None}.items():
        assert prediction([0.1, 0.9], in_distribution=known).answer == answer


@pytest.mark.parametrize(
    ("probabilities", "threshold", "answer"),
    [
        ([0.5, 0.2, 0.9], None, ["c", "a"]),
        ([0.49, 0.1, 0.2], None, []),
        ([1, 1, 1], None, ["a", "b", "c"]),
        ([0.1, 0.2, 0.4], 0.2, ["c", "b"]),
        ([0.1, 0.2, 0.4], 0.4, ["c"]),
        ([0.1, 0.2, 0.4], 0.400001, []),
    ],
)
def test_multilabel_answer_has_the_labels_that_reach_the_threshold(
    probabilities: list[float], threshold: float | None, answer: list[str]
) -> None:
    options = {} if threshold is None else {"present_from": threshold}
    assert prediction(probabilities, multilabel=True, **options).answer == answer


def test_prediction_is_plain_json() -> None:
    whole = prediction(
        [0.1234567, 0.8765433],
        milliseconds=answers.Milliseconds(1.23456, 2, 3, 6.5),
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


def calibrated(*floors: float, novelty: float | None = None) -> Calibration:
    plausible = PredictionSetRule(coverage=0.9, label_thresholds=floors or (0.2, 0.2))
    return Calibration(temperature=1.0, prediction_set=plausible, ood_threshold=novelty)


@pytest.mark.parametrize(
    ("probabilities", "floors", "expected"),
    [
        ([0.95, 0.03, 0.02], (0.1, 0.1, 0.1), (0,)),
        ([0.1, 0.6, 0.3], (0.5, 0.5, 0.5), (1,)),
        ([0.1, 0.6, 0.3], (0.2, 0.2, 0.2), (1, 2)),
        # A label that is likelier than one in the set is in the set.
        ([0.1, 0.6, 0.3], (0.1, 0.9, 0.4), (1, 2, 0)),
        ([0.1, 0.6, 0.3], (0.0, 0.0, 0.0), (1, 2, 0)),
        ([0.2, 0.8], (1.0, 1.0), (1,)),
    ],
)
def test_prediction_set_has_labels_at_their_threshold_and_the_top_label(
    probabilities: list[float], floors: tuple[float, ...], expected: tuple[int, ...]
) -> None:
    assert (
        answers.prediction_set(np.array(probabilities, dtype=np.float32), calibrated(*floors))
        == expected
    )


@given(
    st.lists(st.tuples(st.floats(2**-10, 1, width=32), st.floats(0, 1)), min_size=1, max_size=40)
)
def test_prediction_set_is_ranked_and_has_the_top_label(rows: list[tuple[float, float]]) -> None:
    weights, floors = zip(*rows, strict=True)
    probabilities = np.array(weights, dtype=np.float32) / np.float32(sum(weights))
    labels = answers.prediction_set(probabilities, calibrated(*floors))
    assert len(set(labels)) == len(labels)
    # Labels that agree to four digits rank in the order of the bundle.
    assert probabilities[labels[0]] >= probabilities.max() / 1.0002
    assert len(labels) == 1 or probabilities[labels[-1]] >= floors[labels[-1]]
    others = set(range(len(floors))) - set(labels)
    assert all(probabilities[index] < floors[index] for index in others)


def test_uncalibrated_prediction_has_no_set() -> None:
    probabilities = np.array([0.99, 0.01], dtype=np.float32)
    assert answers.prediction_set(probabilities, None) is None
    assert answers.prediction_set(probabilities, Calibration(temperature=1.0)) is None
    assert answers.is_in_distribution(0.3, None) is None
    judged = answers.apply_thresholds(prediction([0.99, 0.01]), 0.3, None)
    assert (judged.in_distribution, judged.ood_score, judged.prediction_set) == (None, None, None)
    assert answers.certainty(judged) == answers.Certainty.GUESS


def test_score_above_threshold_is_out_of_distribution() -> None:
    rows = {(0.5, 0.5): True, (0.6, 0.5): False, (None, 0.5): None, (0.4, None): None}
    for (score, threshold), expected in {**rows, (-2.0, -1.0): True}.items():
        assert answers.is_in_distribution(score, calibrated(novelty=threshold)) is expected


def test_apply_thresholds_adds_score_and_set() -> None:
    judged = answers.apply_thresholds(
        prediction([0.1, 0.6, 0.3]), 0.2, calibrated(0.2, 0.2, 0.2, novelty=0.5)
    )
    assert judged.in_distribution is True
    assert judged.ood_score == 0.2
    assert [item.label for item in judged.prediction_set] == ["b", "c"]


@pytest.mark.parametrize(
    ("labels", "first", "options", "expected"),
    [
        (1, 0.95, {}, answers.Certainty.LIKELY),
        (1, 0.9, {}, answers.Certainty.LIKELY),
        (1, 0.89, {}, answers.Certainty.PROBABLE),
        (2, 0.5, {}, answers.Certainty.FEW),
        (3, 0.4, {}, answers.Certainty.FEW),
        (4, 0.3, {}, answers.Certainty.HARD),
        (1, 0.99, {"in_distribution": False}, answers.Certainty.UNKNOWN),
        (4, 0.3, {"in_distribution": False}, answers.Certainty.UNKNOWN),
        (1, 0.95, {"in_distribution": True}, answers.Certainty.LIKELY),
        (1, 0.95, {"calibrated": False}, answers.Certainty.GUESS),
        (None, 0.95, {}, answers.Certainty.GUESS),
        (None, 0.95, {"multilabel": True}, answers.Certainty.SEVERAL),
        (None, 0.2, {"multilabel": True}, answers.Certainty.NOTHING),
        (None, 0.95, {"multilabel": True, "in_distribution": False}, answers.Certainty.UNKNOWN),
    ],
)
def test_certainty_follows_the_prediction(
    labels: int | None, first: float, options: dict[str, bool], expected: answers.Certainty
) -> None:
    other = (1 - first) / 4
    answer = prediction([first, *[min(other, 0.3)] * 4], **{"calibrated": True, **options})
    if labels is not None:
        inside = (Candidate(0, "a", first), *answer.top(5)[1:labels])
        answer = replace(answer, prediction_set=inside)
    assert answers.certainty(answer) is expected
