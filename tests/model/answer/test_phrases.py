"""``model.answer.phrases``: articles, numbers, marked labels, and an answer's lines."""

import re
from dataclasses import replace

import numpy as np
import pytest

from model.answer.phrases import (
    ShownLabel,
    article,
    false_rejections,
    format_percent,
    headline,
    name_label,
    spell_number,
    trust_lines,
)
from model.answer.prediction import WORDS, Certainty, Prediction
from model.bundle import Metric, get_bundle, read_small_card


def make_prediction(*probabilities: float) -> Prediction:
    numbers = np.array(probabilities, np.float32)
    labels = ("shirt", "{top}", "hat")
    return Prediction("clothing", "0123456789ab", "compiled", labels, numbers, None)


ARTICLES = {
    "a": "shirt, unicorn, European fire salamander, horse, one-armed bandit, user, T-shirt",
    "an": "umbrella, uninvited guest, hourglass, onion, urchin, X-ray, MP3 player, SUV",
    # Plurals, a mass noun, and labels in other scripts.
    "": "shoes, trousers, Footwear, 猫, café, , (in brackets)",
}
SINGULAR = "bus, compass, lens, triceratops"


@pytest.mark.parametrize(("expected", "labels"), [*ARTICLES.items(), ("a", SINGULAR)])
def test_article_fits_label(expected: str, labels: str) -> None:
    names = labels.split(", ")
    assert {name: article(name) for name in names} == dict.fromkeys(names, expected)


def test_numbers_are_words_up_to_twelve_and_percentages_never_certain() -> None:
    words = {0: "none", 10: "ten", 13: "13", 1000: "1,000"}
    assert {count: spell_number(count) for count in words} == words
    percents = {
        1.0: "100%",
        0.99996: "99.9%",
        0.996: "99.6%",
        0.944: "94%",
        0.031: "3.1%",
        0.0004: "<0.1%",
        0.0: "<0.1%",
    }
    assert {share: format_percent(share) for share in percents} == percents


@pytest.mark.parametrize(("kept", "rejected"), [(1.0, "none"), (0.995, "one"), (0.95, "10")])
def test_false_rejections_are_counted(kept: float, rejected: str) -> None:
    metric = Metric(name="kept", value=kept, low=0, high=1, photos=200, on="x", by="x")
    (sentence,) = false_rejections(metric)
    assert f"said this about {rejected} of 200 photos" in str(sentence)
    assert false_rejections(None) == ()


def test_rules_name_every_certainty_and_known_facts() -> None:
    rules = WORDS["certainties"]
    assert {rule["certainty"] for rule in rules} == set(Certainty)
    facts = {"known", "multilabel", "labels", "present", "plausible", "estimated", "probability"}
    assert {name for rule in rules for name in rule["when"]} == facts
    # Any prediction fits the last rule.
    assert rules[-1]["when"] == {}
    templates = [text for rule in rules for text in (rule["headline"], rule.get("note", ""))]
    used = {name for text in templates for name in re.findall(r"{(\w+)}", text)}
    assert used == {"top", "closest", "things", "percent", "present", "plausible"}


def test_phrase_marks_labels_and_fills_no_placeholder_in_them() -> None:
    assert headline(make_prediction(0.1, 0.8, 0.1)) == ("My best guess: a ", ShownLabel("{top}"))


def test_shown_label_is_one_short_line_without_direction_marks() -> None:
    assert name_label(" \u202eab\n c\u202c", "de") == (ShownLabel("ab c"),)
    assert name_label("猫" * 61, "ja") == (ShownLabel("猫" * 59 + "…"),)


def test_certainty_rests_on_the_probability_that_is_shown() -> None:
    # As float32, 0.9 is a little less.
    prediction = make_prediction(0.9, 0.06, 0.04)
    assert float(prediction.probabilities[0]) < 0.9
    assert prediction.top(1)[0].probability == 0.9


def test_trust_lines_say_which_graph_was_tested() -> None:
    manifest = get_bundle("clothing").manifest
    prediction = replace(make_prediction(0.9, *[0.01] * 9), labels=manifest.labels)
    note, record = trust_lines(prediction, manifest)
    assert str(note[0]).startswith("This model says 90%, but it isn’t calibrated")
    assert str(record[0]).endswith(" it said this in testing")
    of_small = replace(prediction, graph="small")
    _, other = trust_lines(of_small, manifest)
    assert str(other[0]).endswith(" it said this in testing of the full model")
    assert trust_lines(prediction, None) == [note]


def test_small_graph_is_described_by_its_own_figures() -> None:
    bundle = get_bundle("clothing")
    small = read_small_card(bundle)
    hat = ((0, 0, 1), (1, 0, 2))
    card = small.card.model_copy(update={"confusion": hat, "photos": 3})
    prediction = replace(make_prediction(0.9, *[0.01] * 9), labels=bundle.labels, graph="small")
    own = small.model_copy(update={"card": card})
    _, record = trust_lines(prediction, bundle.manifest, own)
    assert record == ("Right 1 of the 3 times it said this in testing",)
    # The full graph's answers are not described by it.
    full = replace(prediction, graph="full")
    assert trust_lines(full, bundle.manifest, own) == trust_lines(full, bundle.manifest)
    rejected = replace(prediction, in_distribution=False)
    kept = Metric(name="kept", value=0.9, low=0, high=1, photos=10, on="x", by="x")
    (line,) = trust_lines(rejected, bundle.manifest, own.model_copy(update={"metrics": (kept,)}))
    assert "said this about one of 10 photos" in str(line)
