"""``ui.batch.result_table``: counts, the table on the screen, exports, accuracy by folder."""

import csv
import io
import json

import pandas as pd
import pytest

from model.answer.prediction import Candidate
from model.errors import DataError
from tests.ui.batch.results import LABELS, make_failure, make_prediction, make_result
from ui.batch.result_table import (
    NONE_OF_THESE,
    count_labels,
    evaluate_folders,
    format_progress,
    is_unsure,
    predicted_labels,
    to_csv,
    to_frame,
    to_json_lines,
)


@pytest.mark.parametrize(
    ("done", "total", "seconds", "words"),
    [
        (0, 200, 3, "0 of 200"),
        (12, 200, 1.3, "12 of 200, about 20 s left"),
        (190, 200, 20, "190 of 200, a few seconds left"),
        (10, 2000, 10, "10 of 2,000, about 33 min left"),
        (10, 20, 56, "10 of 20, about 1 min left"),
        (200, 200, 9, "200 of 200"),
    ],
)
def test_progress_estimates_the_time_left(done, total, seconds, words):
    assert format_progress(done, total, seconds) == words


def test_csv_has_a_row_per_photo_and_no_formula():
    results = [
        make_result(1, "=cmd|' /C calc'!A0.jpg", "-hats"),
        make_failure("@bad.jpg"),
        make_result(in_distribution=False),
        make_result(labels=("a", "b")),
    ]
    text = to_csv(results).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["photo"] == "'=cmd|' /C calc'!A0.jpg"
    assert rows[0]["folder"] == "'-hats"
    assert rows[0]["answer"] == rows[0]["label_1"] == "hat"
    assert float(rows[0]["probability_1"]) == pytest.approx(0.9)
    assert (rows[1]["photo"], rows[1]["error"]) == ("'@bad.jpg", "damaged")
    assert (rows[2]["answer"], rows[2]["known"]) == ("", "no")
    assert (rows[3]["label_3"], rows[3]["model"]) == ("", "clothing")
    assert all(None not in row for row in rows)


def test_json_lines_match_the_command_line():
    lines = to_json_lines([make_result(name="ü\n.jpg"), make_failure()]).decode().splitlines()
    assert json.loads(lines[0]) == make_prediction().to_dict("ü\n.jpg")
    assert json.loads(lines[1]) == {
        "photo": "bad.jpg",
        "error": {"code": "damaged", "message": "It is incomplete."},
    }


def test_frame_has_predictions_and_failures():
    frame = to_frame([make_result(2, "a/b/c.jpg", "b"), make_failure()])
    assert frame["answer"].tolist() == ["shoes", "Couldn’t read: It is incomplete."]
    assert frame["photo"].tolist() == ["c.jpg", "bad.jpg"]
    assert pd.isna(frame["picture"][1])
    frame = to_frame([make_result(probability=share) for share in (0.9999, 0.944, 0.612)])
    assert frame["probability"].tolist() == [99.9, 94, 61]
    assert pd.isna(to_frame([make_result(in_distribution=False)])["probability"][0])


def test_labels_are_counted_most_frequent_first():
    results = [make_result(2), make_result(), make_result(2), make_failure()]
    assert count_labels(results) == [("shoes", 2), ("shirt", 1)]
    assert count_labels([make_result(), make_result(in_distribution=False)]) == [
        (NONE_OF_THESE, 1),
        ("shirt", 1),
    ]


def test_multilabel_predictions_list_several_labels_or_none():
    assert predicted_labels(make_prediction(multilabel=True)) == ["shirt"]
    assert predicted_labels(make_prediction(multilabel=True, probability=0.4)) == [NONE_OF_THESE]
    assert predicted_labels(make_prediction(in_distribution=False)) == [NONE_OF_THESE]


def test_unclear_predictions_are_unsure():
    shirt, hat = Candidate(0, "shirt", 0.9), Candidate(1, "hat", 0.05)
    assert not is_unsure(make_prediction(calibrated=True, prediction_set=(shirt,)))
    assert is_unsure(make_prediction(calibrated=True, prediction_set=(shirt, hat)))
    assert is_unsure(
        make_prediction(calibrated=True, prediction_set=(shirt,), in_distribution=False)
    )
    assert not is_unsure(make_prediction())
    assert is_unsure(make_prediction(probability=0.4))


def test_folders_are_compared_with_predictions():
    results = [
        make_result(0, folder="Shirt"),
        make_result(1, folder="Shirt"),
        make_result(1, folder="hat"),
        make_result(0, folder="hat", in_distribution=False),
        make_result(2, folder="holiday"),
        make_result(2),
        make_failure(folder="hat"),
    ]
    evaluation, unmatched = evaluate_folders(results, LABELS)
    assert evaluation is not None
    assert (evaluation.accuracy.right, evaluation.accuracy.count) == (2, 4)
    assert unmatched == ["holiday"]


def test_folders_without_a_label_have_no_accuracy():
    results = [make_result(folder="x"), make_failure(folder="hat")]
    assert evaluate_folders(results, LABELS) == (None, ["x"])
    assert evaluate_folders([make_result(), make_failure()], LABELS) == (None, [])


def test_folders_of_a_multilabel_model_are_refused():
    with pytest.raises(DataError):
        evaluate_folders([make_result(folder="hat", multilabel=True)], LABELS)
