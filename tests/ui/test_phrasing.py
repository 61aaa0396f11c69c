"""Sentences: every degree of certainty, articles, and labels that stay text."""

from dataclasses import replace

import numpy as np
import pytest

from model.bundle import Metric, ModelCard, get_bundle
from model.decision import Certainty, certainty
from model.prediction import Prediction
from ui.phrasing import an, escaped, headline, linked, listed, percent, record, spoken, turned_away

LABELS = ("shirt", "t-shirt", "umbrella", "shoes", "hat", "Hemd", "boot", "bag", "coat", "dress")


def prediction(index=0, share=0.95, plausible=None, labels=LABELS, **fields):
    numbers = np.full(len(labels), (1 - share) / (len(labels) - 1), np.float32)
    numbers[index] = share
    start = Prediction("clothing", "0123456789ab", "compiled", labels, numbers, None, **fields)
    if plausible is None:
        return start
    found = tuple(start.candidate(place) for place in plausible)
    return replace(start, calibrated=True, prediction_set=found)


@pytest.mark.parametrize(
    ("answer", "found", "words"),
    [
        (prediction(plausible=[0]), Certainty.LIKELY, "Very likely a shirt"),
        (prediction(3, plausible=[3]), Certainty.LIKELY, "Very likely shoes"),
        (prediction(2, 0.6, [2]), Certainty.PROBABLE, "Probably an umbrella"),
        (prediction(0, 0.5, [0, 1]), Certainty.FEW, r"A shirt or a t\-shirt"),
        (prediction(2, 0.5, [2, 3]), Certainty.FEW, "An umbrella or shoes"),
        (prediction(0, 0.5, [0, 1, 4]), Certainty.FEW, r"A shirt, a t\-shirt or a hat"),
        (prediction(3, 0.5, [3, 0]), Certainty.FEW, "Shoes or a shirt"),
        (prediction(0, 0.3, range(4)), Certainty.HARD, "Hard to say: perhaps a shirt"),
        (
            prediction(plausible=[0], in_distribution=False),
            Certainty.UNKNOWN,
            "None of the ten things I know (nearest: shirt)",
        ),
        (prediction(), Certainty.GUESS, "My best guess: a shirt"),
        (prediction(2), Certainty.GUESS, "My best guess: an umbrella"),
        (prediction(multilabel=True), Certainty.SEVERAL, "I see shirt"),
        (
            prediction(share=0.4, multilabel=True),
            Certainty.NOTHING,
            "I see none of the things I know",
        ),
    ],
)
def test_the_headline_of_every_degree(answer, found, words):
    assert certainty(answer) is found
    assert headline(answer) == words


def test_no_degree_is_without_words():
    tried = test_the_headline_of_every_degree.pytestmark[0].args[1]
    assert {found for _, found, _ in tried} == set(Certainty)


def test_several_labels_are_listed():
    numbers = np.array([0.9, 0.8, 0.7], np.float32)
    several = replace(
        prediction(multilabel=True), labels=("hat", "coat", "bag"), probabilities=numbers
    )
    assert headline(several) == "I see hat, coat and bag"


@pytest.mark.parametrize(
    ("label", "article"),
    [
        ("shirt", "a"),
        ("umbrella", "an"),
        ("espresso", "an"),
        ("unicorn", "a"),
        ("uniform", "a"),
        ("uninvited guest", "an"),
        ("European fire salamander", "a"),
        ("ewe", "a"),
        ("eggnog", "an"),
        ("hourglass", "an"),
        ("horse", "a"),
        ("one-armed bandit", "a"),
        ("onion", "an"),
        ("oncilla", "an"),
        ("ukulele", "a"),
        ("urchin", "an"),
        ("user", "a"),
        ("usher", "an"),
        ("X-ray", "an"),
        ("MP3 player", "an"),
        ("CD player", "a"),
        ("SUV", "an"),
        ("T-shirt", "a"),
        ("Apple", "an"),
        # Plurals have none.
        ("shoes", ""),
        ("pants", ""),
        ("sunglasses", ""),
        ("trousers", ""),
        # Stuffs have none.
        ("outwear", ""),
        ("Footwear", ""),
        # These end in s and are one.
        ("bus", "a"),
        ("compass", "a"),
        ("compass (old)", "a"),
        ("lens", "a"),
        ("iris", "an"),
        ("triceratops", "a"),
        # Other scripts have no English article.
        ("猫", ""),
        ("кошка", ""),
        ("قطة", ""),
        ("café", ""),
        ("", ""),
        ("(in brackets)", ""),
    ],
)
def test_articles(label, article):
    assert an(label) == article


@pytest.mark.parametrize("language", ["de", "fr", "ja"])
def test_other_languages_have_no_english_article(language):
    assert headline(prediction(5, language=language)) == "My best guess: Hemd"


def test_labels_in_other_scripts():
    labels = ("猫", "犬", "鳥")
    assert headline(prediction(labels=labels)) == "My best guess: 猫"
    assert headline(prediction(0, 0.5, [0, 1], labels)) == "猫 or 犬"


@pytest.mark.parametrize(
    "text",
    [
        "**b**",
        "_i_",
        "$x$",
        ":smile:",
        "[a](b)",
        "<b>",
        "`c`",
        "# h",
        "~~d~~",
        ":red[x]",
        "- a",
        "|",
    ],
)
def test_no_mark_survives(text):
    kept = escaped(text)
    assert kept.replace("\\", "") == text
    assert all(kept[place - 1] == "\\" for place, char in enumerate(kept) if char in "*_$:[<`#~-|")


def test_escaped_text_is_one_line_and_no_address():
    assert escaped("a\n\n# b\tc") == r"a \# b c"
    for address in ("https://evil.example", "www.evil.example", "a@evil.example"):
        assert "\u2060" in escaped(address)


def test_escaped_text_is_not_turned_around():
    assert escaped("\u202eab\u202c \u2066cd\u2069") == "ab cd"
    # Scripts that are written from right to left stay so, and so do joined emoji.
    assert escaped("עברית 🐻\u200d❄️") == "עברית 🐻\u200d❄️"


def test_only_whole_https_addresses_of_a_manifest_are_links():
    said = linked("see https://fine.example/a_b and [x](javascript:alert(1)) http://plain.example")
    assert "<https://fine.example/a_b>" in said
    assert "javascript\\:" in said
    assert "<http:" not in said
    assert linked("https://a.example/<script>") == escaped("https://a.example/<script>")


@pytest.mark.parametrize(
    ("words", "said"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_lists(words, said):
    assert listed(words) == said


@pytest.mark.parametrize(("count", "said"), [(0, "none"), (10, "ten"), (13, "13"), (1000, "1,000")])
def test_numbers(count, said):
    assert spoken(count) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (1.0, "100%"),
        (0.99996, "99.9%"),
        (0.996, "99.6%"),
        (0.944, "94%"),
        (0.031, "3.1%"),
        (0.0004, "under 0.1%"),
        (0.0, "under 0.1%"),
    ],
)
def test_shares(share, said):
    assert percent(share) == said


def card(*confusion):
    return ModelCard(
        on="held-out photos",
        photos=sum(count for *_, count in confusion),
        folds=5,
        confusion=confusion,
        command="",
    )


@pytest.mark.parametrize(
    ("confusion", "said"),
    [
        # Right for all, for some, for one, for none.
        ([(0, 0, 29)], "Of 29 held-out photos that it called a shirt, all were right."),
        (
            [(0, 0, 24), (1, 0, 4), (4, 0, 1), (0, 1, 9)],
            (
                r"Of 29 held-out photos that it called a shirt, 24 were right; most of the others "
                r"showed a t\-shirt."
            ),
        ),
        (
            [(0, 0, 1), (2, 0, 1)],
            (
                "Of 2 held-out photos that it called a shirt, one was right; the other showed an "
                "umbrella."
            ),
        ),
        (
            [(0, 0, 1200), (3, 0, 34)],
            (
                "Of 1,234 held-out photos that it called a shirt, 1,200 were right; the others all "
                "showed shoes."
            ),
        ),
        (
            [(0, 0, 7), (3, 0, 2), (2, 0, 1), (4, 0, 1)],
            (
                "Of 11 held-out photos that it called a shirt, 7 were right; the others most often "
                "showed shoes."
            ),
        ),
        (
            [(0, 0, 7), (3, 0, 1), (2, 0, 1)],
            (
                "Of 9 held-out photos that it called a shirt, 7 were right; the others showed a "
                "different thing each."
            ),
        ),
        (
            [(3, 0, 2)],
            "Of 2 held-out photos that it called a shirt, none was right; all showed shoes.",
        ),
        (
            [(3, 0, 2), (2, 0, 1)],
            "Of 3 held-out photos that it called a shirt, none was right; most showed shoes.",
        ),
        # One photo alone.
        ([(0, 0, 1)], "It called one held-out photo a shirt, and that was right."),
        (
            [(2, 0, 1)],
            "It called one held-out photo a shirt, and that was wrong: it showed an umbrella.",
        ),
        # None called so.
        (
            [(0, 1, 3), (1, 1, 9)],
            (
                "None of the 12 held-out photos was called a shirt, so nobody knows how often that "
                "is right."
            ),
        ),
    ],
)
def test_how_often_an_answer_is_right(confusion, said):
    assert record(card(*confusion), 0, LABELS, "en") == said


def test_how_often_speaks_of_a_label_in_another_script():
    said = record(card((0, 0, 3), (1, 0, 2)), 0, ("猫", "犬"), "ja")
    assert said == (
        "Of 5 held-out photos that it called 猫, 3 were right; the others all showed 犬."
    )


def test_how_often_keeps_labels_text_and_short():
    labels = ("**b** <img src=x>", "[a](javascript:alert(1)) " + "long " * 30)
    said = record(card((0, 0, 3), (1, 0, 2)), 0, labels, "en")
    assert r"\*\*b\*\* \<img" in said
    assert "](" not in said.replace(r"\]\(", "")
    assert len(said) < 200


@pytest.mark.parametrize(("kept", "wrong"), [(1.0, "none"), (0.995, "one"), (0.95, "10")])
def test_how_often_none_of_these_is_wrong(kept: float, wrong: str) -> None:
    metric = Metric(name="kept", value=kept, low=0, high=1, photos=200, on="x", by="x")
    bundle = get_bundle("clothing").manifest
    assert f"so of {wrong} of 200 held-out" in turned_away(
        bundle.model_copy(update={"metrics": (metric,)})
    )
    assert turned_away(bundle.model_copy(update={"metrics": ()})) == ""
