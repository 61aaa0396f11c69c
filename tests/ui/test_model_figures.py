"""``ui.model_figures``: sentences and rows of a card's figures."""

from dataclasses import replace

import pytest

from model.bundle import ModelCard, ReliabilityBin, get_bundle, named_ood_sets, read_small_card
from model.evaluation import Confused
from tests.model.tiny import CARD, COLOURS
from ui.confusion import ConfusionMatrix, describe_mix_ups, mistakes_frame
from ui.model_figures import (
    format_auroc,
    graph_rows,
    name_sets,
)
from ui.reliability import describe_typical_bin

LABELS = tuple(COLOURS)


def mix_ups(*pairs, limit=3):
    matrix = ConfusionMatrix((Confused(LABELS[a], LABELS[b], n) for a, b, n in pairs), LABELS)
    return describe_mix_ups(matrix, limit)


def test_perfect_model_has_no_mix_ups():
    assert mix_ups((0, 0, 7), (1, 1, 3)) == "**10 of 10 photos correct.**"


def test_mix_ups_are_listed_most_frequent_first():
    sentence = mix_ups((0, 0, 7), (0, 1, 2), (1, 0, 5), (2, 3, 1), limit=2)
    assert sentence == (
        "**7 of 15 photos correct.** "
        "Most common mix-ups: green called red (5) and red called green (2)."
    )


def test_folder_names_are_not_shown_as_titles():
    bundle = get_bundle("clothing")
    titles = ["Garments of other kinds", "Photographs without garments"]
    assert list(dict.fromkeys(name_sets(bundle).values())) == titles
    nameless = replace(bundle, folder=bundle.folder / "none")
    assert list(name_sets(nameless).values()) == ["Some other things", "Others"]


def test_sets_of_photos_have_the_names_of_the_small_card():
    bundle = get_bundle("clothing")
    assert [result.name for result in bundle.manifest.card.ood_sets] == ["near", "photographs"]
    names = ["garments of other kinds", "photographs without garments"]
    assert [result.name for result in named_ood_sets(bundle)] == names


@pytest.mark.parametrize(
    ("bins", "sentence"),
    [
        ([(0.3, 0.2, 2)], "Of 2 answers at about 30% confidence, 20% were correct."),
        # A bin of one photo is no example while there is a larger one.
        (
            [(0.8, 1, 1), (0.62, 0.6, 40), (0.97, 0.99, 400)],
            "Of 400 answers at about 97% confidence, 99% were correct.",
        ),
    ],
)
def test_reliability_has_a_typical_example(bins, sentence):
    points = [
        ReliabilityBin(confidence=confidence, accuracy=accuracy, photos=photos)
        for confidence, accuracy, photos in bins
    ]
    assert describe_typical_bin(points) == sentence


def test_only_a_perfect_auroc_is_1():
    assert [format_auroc(value) for value in (0.8024, 0.9995, 1.0)] == ["0.802", "0.999", "1.000"]


def test_names_of_mistakes_are_no_formulas():
    mistakes = [{"photo": "=cmd|x", "label": 0, "said": 1, "probability": 0.5}]
    card = ModelCard.model_validate({**CARD, "mistakes": mistakes})
    table = mistakes_frame(card, ("=1+1", "+cmd", *LABELS[2:]))
    texts = table[["Actual", "Predicted", "Photo"]].to_numpy().flat
    assert list(texts) == ["'=1+1", "'+cmd", "'=cmd|x"]


def test_rows_compare_both_graphs():
    bundle = get_bundle("clothing")
    rows = {row[""]: row for row in graph_rows(bundle, read_small_card(bundle))}
    assert list(rows) == [
        "Accuracy",
        "Prediction-set coverage",
        "Calibration error",
        "Calibration error before calibration",
        "Known photos accepted",
        "Accepted: Garments of other kinds",
        "Accepted: Photographs without garments",
    ]
    assert rows["Accuracy"]["Full graph"] == "94.4% (95% CI 91.5–96.4%)"
    assert all(row["Full graph"] and row["Small graph"] for row in rows.values())
    # A model without calibration has fewer.
    bundle = get_bundle("imagenet")
    assert [row[""] for row in graph_rows(bundle, read_small_card(bundle))] == ["Accuracy"]
