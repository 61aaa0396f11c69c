"""``ui.confusion``: the confusion matrix as a chart's cells and as tables."""

import pytest

from model.bundle import ModelCard
from tests.model.tiny import COLOURS
from tests.ui.batch.results import LABELS, make_result
from ui.batch.result_table import evaluate_folders
from ui.confusion import ConfusionMatrix

NAMES = tuple(COLOURS)


def matrix(*confusion, labels=NAMES):
    photos = sum(count for *_, count in confusion)
    card = ModelCard(on="x", photos=photos, folds=2, confusion=confusion, command="")
    return ConfusionMatrix.from_card(card, labels)


def test_every_label_that_occurs_has_a_row_the_worst_first():
    counted = matrix((0, 0, 7), (0, 1, 2), (0, 2, 1), (1, 1, 4), (5, 1, 3))
    table = counted.label_frame()
    assert table["Label"].tolist() == ["black", "red", "green", "blue"]
    assert table["Photos"].tolist() == [3, 10, 4, 0]
    assert table["Most confused with"].tolist() == ["green (3)", "green (2)", "", ""]
    # No photo was blue, so its recall is unknown.
    assert table["Recall"].tolist()[:3] == [0, 70, 100]
    assert table["Recall"].isna().tolist() == [False, False, False, True]
    assert table["Interval"].tolist()[0] == "0–56%"
    # No photo was called black.
    assert table["Precision"].isna().tolist() == [True, False, False, False]
    assert table["Precision"].tolist()[1:] == [100, pytest.approx(100 * 4 / 9), 0]


def test_shares_are_of_the_labels_own_photos():
    counted = matrix((0, 0, 6), (0, 1, 2), (1, 1, 3))
    cells = counted.cell_frame()
    assert dict(zip(cells["count"], cells["share"], strict=True)) == {6: 0.75, 2: 0.25, 3: 1}
    assert counted.mistake_frame().to_dict("records") == [
        {"Actual": "red", "Predicted": "green", "Photos": 2, "Share of label": 25.0}
    ]


def test_labels_without_a_row_and_none_of_these_have_a_column_each():
    results = [
        make_result(0, folder="shirt"),
        make_result(2, folder="shirt"),
        make_result(0, folder="hat", in_distribution=False),
        make_result(1, folder="hat"),
    ]
    counted = ConfusionMatrix(evaluate_folders(results, LABELS)[0].confusion, LABELS)
    assert list(counted.support) == ["shirt", "hat"]
    assert (counted.photos, counted.correct) == (4, 2)
    cells = counted.cell_frame().set_index(["label", "predicted"])
    assert cells.loc[("hat", "none of these"), "share"] == 0.5
    assert bool(cells.loc[("shirt", "shirt"), "correct"])
    assert not cells.loc[("shirt", "another label"), "correct"]


def test_no_cell_is_a_formula():
    counted = matrix((0, 1, 2), (2, 3, 1), labels=("=1+1", "+cmd", "-x", "@y"))
    for table in (counted.label_frame(), counted.mistake_frame()):
        texts = [cell for cell in table.to_numpy().flat if isinstance(cell, str) and cell]
        assert texts
        assert not [text for text in texts if text[0] in "=+-@"]
