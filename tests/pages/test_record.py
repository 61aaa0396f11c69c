"""The sentence beside an answer: how often such an answer was right in testing."""

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
    """The model of colours with a card, as the default model."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(shelf, confidence=CALIBRATED, card=CARD)


def identify(what):
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    at.file_uploader[0].set_value(("photo.png", encoded(colour(what), "PNG"), "image/png")).run()
    assert not at.exception
    return at


def records(at):
    return [caption.value for caption in at.caption if "held-out" in caption.value]


@pytest.mark.parametrize(
    ("what", "words", "sentences"),
    [
        ("red", "Very likely a red", [RED]),
        (ORANGE, "A yellow or a red", [YELLOW]),
        # No held-out photo was called black.
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
        # Answers for known things say nothing about an unknown one.
        (GREY, "None of the six things I know (nearest: white)", []),
    ],
)
def test_answer_shows_how_often_it_was_right(measured, what, words, sentences):
    at = identify(what)
    assert at.header[0].value == words
    assert records(at) == sentences


def test_shared_answer_shows_its_record(measured):
    token = identify("red").query_params["answer"]
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60)
    at.query_params["answer"] = token
    at.run()
    assert at.header[0].value == "Very likely a red"
    assert records(at) == [RED]


def test_model_without_a_card_shows_no_record(shelf, monkeypatch):
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    tiny(shelf, confidence=CALIBRATED)
    at = identify("red")
    assert at.header[0].value == "Very likely a red"
    assert not records(at)


def test_answer_of_another_version_shows_no_record(measured, shelf):
    at = identify("red")
    tiny(shelf, confidence=CALIBRATED, card={**CARD, "notes": ["Measured again."]})
    at.run()
    assert at.header[0].value == "Very likely a red"
    assert not records(at)
    roll_back("tiny", measured.version)
    at.run()
    assert records(at) == [RED]


def test_removed_model_shows_no_record(measured):
    at = identify("red")
    (measured.folder.parent / "current").write_text("gone")
    at.run()
    assert not at.exception
    assert not records(at)
