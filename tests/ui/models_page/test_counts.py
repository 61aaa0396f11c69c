"""Rows and sentences of a card: counted rightly, and never a formula."""

import pytest

from model.bundle.card import ModelCard, ReliabilityBin
from tests.model.tiny import CARD, COLOURS
from ui.models_page.counts import (
    Counts,
    area,
    bin_sentence,
    confused_frame,
    exact,
    mistake_frame,
    score_rows,
)

LABELS = tuple(COLOURS)


def counts(*confusion, labels=LABELS):
    photos = sum(count for *_, count in confusion)
    card = ModelCard(on="x", photos=photos, folds=2, confusion=confusion, command="")
    return Counts(card, labels)


def test_all_right_is_said_so():
    assert counts((0, 0, 7), (1, 1, 3)).sentence() == "Right for **10 of 10 photos**: all."


def test_what_is_confused_is_said_most_frequent_first():
    said = counts((0, 0, 7), (0, 1, 2), (1, 0, 5), (2, 3, 1)).sentence(2)
    assert said.endswith("It most often takes green for red (5) and red for green (2).")


def test_every_label_that_occurs_has_a_row_the_worst_first():
    found = counts((0, 0, 7), (0, 1, 2), (0, 2, 1), (1, 1, 4), (5, 1, 3))
    table = found.label_frame()
    assert table["Label"].tolist() == ["black", "red", "green", "blue"]
    assert table["Photos"].tolist() == [3, 10, 4, 0]
    assert table["Most confused with"].tolist() == ["green (3)", "green (2)", "", ""]
    # Of blue there was no photo, so there is no telling how many are found.
    assert table["Found"].tolist()[:3] == [0, 70, 100]
    assert table["Found"].isna().tolist() == [False, False, False, True]
    assert table["Interval"].tolist()[0] == "0% to 56%"
    assert found.label_frame("RE")["Label"].tolist() == ["red", "green"]


def test_shares_are_of_the_labels_own_photos():
    found = counts((0, 0, 6), (0, 1, 2), (1, 1, 3))
    assert dict(zip(found.matrix()["count"], found.matrix()["share"], strict=True)) == {
        6: 0.75,
        2: 0.25,
        3: 1,
    }
    assert confused_frame(found).to_dict("records") == [
        {"It is": "red", "It was called": "green", "Photos": 2, "Of its photos": 25.0}
    ]


def test_no_cell_is_a_formula():
    labels = ("=1+1", "+cmd", "-x", "@y")
    found = counts((0, 1, 2), (2, 3, 1), labels=labels)
    mistakes = [{"photo": "=cmd|x", "label": 0, "said": 1, "probability": 0.5}]
    card = ModelCard.model_validate({**CARD, "mistakes": mistakes})
    for table in (found.label_frame(), confused_frame(found), mistake_frame(card, labels)):
        texts = [cell for cell in table.to_numpy().flat if isinstance(cell, str) and cell]
        assert texts
        assert not [text for text in texts if text[0] in "=+-@"]


@pytest.mark.parametrize(
    ("bins", "said"),
    [
        ([], ""),
        ([(0.3, 0.2, 2)], "Of the 2 answers given with about 30%, 20% were right."),
        # One or two photos are no example while there is a better one.
        (
            [(0.8, 1, 1), (0.62, 0.6, 40), (0.97, 0.99, 400)],
            "Of the 400 answers given with about 97%, 99% were right.",
        ),
    ],
)
def test_an_example_of_its_percentages(bins, said):
    points = [
        ReliabilityBin(confidence=one, accuracy=two, photos=three) for one, two, three in bins
    ]
    assert bin_sentence(points) == said


def test_ways_to_tell_strangers_come_best_first():
    rows = score_rows(ModelCard.model_validate(CARD))
    assert [row["AUROC"] for row in rows] == ["0.973", "0.882"]
    assert rows[0]["Way"].endswith("(used)")
    assert [row["Size"] for row in rows] == ["2 kB", "none"]


def test_nothing_is_nothing():
    assert (exact(0), exact(0.0004), exact(0.55)) == ("0%", "under 0.1%", "55%")


def test_an_area_is_whole_only_where_it_is() -> None:
    assert [area(value) for value in (0.8024, 0.9995, 1.0)] == ["0.802", "0.999", "1.000"]
