"""Beside an answer: how often such a one is right, where that was measured."""

import pytest
from streamlit.testing.v1 import AppTest

from model.bundle import roll_back
from tests.model.tiny import CALIBRATED, CARD, colour, tiny
from tests.photos import encoded
from ui.navigation import ROOT

RED = "Of 9 held-out photos that it called a red, 8 were right; the other showed a yellow."
YELLOW = "Of 11 held-out photos that it called a yellow, 9 were right; the others all showed a red."
ORANGE, GREY = (255, 128, 0), (128, 128, 128)


@pytest.fixture
def measured(shelf, monkeypatch):
    """The model of colours with a card, which the first screen opens."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(shelf, confidence=CALIBRATED, card=CARD)


def asked(what):
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    at.file_uploader[0].set_value(("photo.png", encoded(colour(what), "PNG"), "image/png")).run()
    assert not at.exception
    return at


def lines(at):
    return [one.value for one in at.caption if "held-out" in one.value]


@pytest.mark.parametrize(
    ("what", "words", "said"),
    [
        ("red", "Very likely a red", [RED]),
        (ORANGE, "A yellow or a red", [YELLOW]),
        # Nothing held out was called black.
        (
            "black",
            "Very likely a black",
            [
                (
                    "None of the 60 held-out photos was called a black, so nobody knows how often "
                    "that is right."
                )
            ],
        ),
        # Of what it does not know, its answers for what it knows say nothing.
        (GREY, "None of the six things I know (nearest: white)", []),
    ],
)
def test_an_answer_says_how_often_it_is_right(measured, what, words, said):
    at = asked(what)
    assert at.header[0].value == words
    assert lines(at) == said


def test_a_shared_answer_says_it_too(measured):
    token = asked("red").query_params["answer"]
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60)
    at.query_params["answer"] = token
    at.run()
    assert at.header[0].value == "Very likely a red"
    assert lines(at) == [RED]


def test_without_a_card_nothing_is_said(shelf, monkeypatch):
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    tiny(shelf, confidence=CALIBRATED)
    at = asked("red")
    assert at.header[0].value == "Very likely a red"
    assert not lines(at)


def test_an_answer_of_another_version_is_not_judged_by_this_ones_card(measured, shelf):
    at = asked("red")
    tiny(shelf, confidence=CALIBRATED, card={**CARD, "notes": ["Measured again."]})
    at.run()
    assert at.header[0].value == "Very likely a red"
    assert not lines(at)
    roll_back("tiny", measured.version)
    at.run()
    assert lines(at) == [RED]


def test_a_model_that_was_taken_away_says_nothing(measured):
    at = asked("red")
    (measured.folder.parent / "current").write_text("gone")
    at.run()
    assert not at.exception
    assert not lines(at)
