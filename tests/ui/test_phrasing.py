"""``ui.phrasing``: headlines for every certainty, escaped labels."""

from dataclasses import replace

import numpy as np
import pytest

from model.answer.phrases import label_summary
from model.answer.prediction import Certainty, Prediction, certainty
from ui.phrasing import (
    escape_markdown,
    headline,
    join_words,
    link_urls,
    percent_range,
    to_markdown,
    to_text,
)

LABELS = ("shirt", "t-shirt", "umbrella", "shoes", "hat", "Hemd", "boot", "bag", "coat", "dress")


def prediction(index=0, share=0.95, plausible=None, labels=LABELS, **fields):
    numbers = np.full(len(labels), (1 - share) / max(1, len(labels) - 1), np.float32)
    numbers[index] = share
    start = Prediction("clothing", "0123456789ab", "compiled", labels, numbers, None, **fields)
    if plausible is None:
        return start
    candidates = tuple(start.candidate(place) for place in plausible)
    return replace(start, calibrated=True, prediction_set=candidates)


HEADLINES = [
    (prediction(plausible=[0]), Certainty.LIKELY, "Very likely a shirt"),
    (prediction(2, 0.6, [2]), Certainty.PROBABLE, "Probably an umbrella"),
    (prediction(0, 0.5, [0, 1]), Certainty.FEW, r"A shirt or a t\-shirt"),
    (prediction(0, 0.5, [0, 1, 4]), Certainty.FEW, r"A shirt, a t\-shirt or a hat"),
    (prediction(3, 0.5, [3, 0]), Certainty.FEW, "Shoes or a shirt"),
    (prediction(0, 0.5, [0, 1], ("猫", "犬", "鳥")), Certainty.FEW, "猫 or 犬"),
    (prediction(0, 0.3, range(4)), Certainty.HARD, "Hard to say. Maybe a shirt"),
    (
        prediction(plausible=[0], in_distribution=False),
        Certainty.UNKNOWN,
        "None of the ten things I know (closest: shirt)",
    ),
    (
        prediction(0, 1, labels=("shirt",), in_distribution=False),
        Certainty.UNKNOWN,
        "Not the one thing I know: shirt",
    ),
    (prediction(), Certainty.GUESS, "My best guess: a shirt"),
    # Other languages have no English article.
    (prediction(5, language="de"), Certainty.GUESS, "My best guess: Hemd"),
    (prediction(labels=("猫", "犬", "鳥")), Certainty.GUESS, "My best guess: 猫"),
    (prediction(multilabel=True), Certainty.SEVERAL, "I see a shirt"),
    (prediction(share=0.4, multilabel=True), Certainty.NOTHING, "I don’t see anything I know"),
]


@pytest.mark.parametrize(("answer", "degree", "words"), HEADLINES)
def test_headline_matches_certainty(answer, degree, words):
    assert certainty(answer) is degree
    assert headline(answer) == words


def test_headline_lists_several_labels():
    numbers = np.array([0.9, 0.8, 0.7], np.float32)
    several = replace(
        prediction(multilabel=True), labels=("hat", "coat", "bag"), probabilities=numbers
    )
    assert headline(several) == "I see: hat, coat and bag"


@pytest.mark.parametrize(
    "text",
    ["**b**", "_i_", "$x$", ":smile:", "[a](b)", "<b>", "`c`", "# h", "~~d~~", ":red[x] - a |"],
)
def test_escape_markdown_escapes_every_mark(text):
    escaped = escape_markdown(text)
    assert escaped.replace("\\", "") == text
    marks = [index for index, char in enumerate(escaped) if char in "*_$:[<`#~-|"]
    assert all(escaped[index - 1] == "\\" for index in marks)


def test_escaped_text_is_one_line_without_urls():
    assert escape_markdown("a\n\n# b\tc") == r"a \# b c"
    for address in ("https://evil.example", "www.evil.example", "a@evil.example"):
        assert "\u2060" in escape_markdown(address)


def test_escaped_text_has_no_direction_marks():
    assert escape_markdown("\u202eab\u202c \u2066cd\u2069") == "ab cd"
    assert to_text(label_summary(["\u202eab", "cd"])) == "two things: ab and cd"
    # Scripts that are written from right to left stay so, and so do joined emoji.
    assert escape_markdown("עברית 🐻\u200d❄️") == "עברית 🐻\u200d❄️"


def test_link_urls_links_only_complete_https_urls():
    text = link_urls(
        "see https://fine.example/a_b and [x](javascript:alert(1)) http://plain.example"
    )
    assert "<https://fine.example/a_b>" in text
    assert "javascript\\:" in text
    assert "<http:" not in text
    assert link_urls("https://a.example/<script>") == escape_markdown("https://a.example/<script>")


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_join_words_puts_the_conjunction_before_the_last(words, expected):
    assert join_words(words) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, "one thing: shirt"),
        (2, r"two things: shirt and t\-shirt"),
        (4, r"four things: shirt, t\-shirt, umbrella and shoes"),
        (10, r"ten things: shirt, t\-shirt, umbrella and seven more"),
    ],
)
def test_label_summary_names_the_first_labels(count, expected):
    assert to_markdown(label_summary(LABELS[:count])) == expected


def test_range_has_an_en_dash():
    assert percent_range(0.9154, 0.9641) == "92–96%"
    assert percent_range(0.9154, 0.9641, digits=1) == "91.5–96.4%"
