"""A taught model on the pages: its figures count recordings."""

import pytest

from model.teaching import teach
from tests.model.teaching.test_teaching import photos_of_colours
from tests.model.tiny import tiny
from tests.pages.component import open_page
from tests.pages.test_identify import GREY, captions, send, words
from tests.pages.test_models import opened, shown, texts

RECORD = "Right for 12 of 12 recordings, each left out in turn"
ALIKE = "Things that look like these often get one of these names."


@pytest.fixture
def taught(models_dir, tmp_path, monkeypatch):
    tiny(models_dir)
    monkeypatch.setenv("LOUPE_MODEL", "mine")
    return teach(photos_of_colours(tmp_path / "My colours"), "tiny").publish("mine")


def test_taught_model_answers_on_the_identify_page(taught):
    at = send(open_page(), "green")
    assert words(at).endswith(" green")
    assert RECORD in captions(at)
    at = send(at, GREY)
    assert words(at).startswith("None of the three things I know (closest: ")
    promise = "It says this of up to 1 in 10 things it does know"
    assert promise in captions(at)


def test_card_of_a_taught_model_counts_recordings(taught):
    at = opened()
    assert at.subheader[0].value == "My colours"
    mine = texts(at).partition("How often it is right")[2].partition("**What it knows**")[0]
    assert f"{RECORD}." in mine
    assert "photos" not in mine
    assert f"{ALIKE} It may call up to 1 in 10 things it knows “none of these”." in texts(at)
    assert "**Accuracy 100.0%** (95% CI 75.8–100.0%, 12 recordings: each" in texts(
        shown("mine", "Method")
    )


def test_accuracy_of_one_recording_per_label_is_not_known(models_dir, tmp_path):
    tiny(models_dir)
    teach(photos_of_colours(tmp_path / "once", 1), "tiny").publish("once")
    at = opened()
    assert "#### Can’t be known yet" in texts(at)
    assert "One label was recorded only once. Record every label in at least two places." in texts(
        at
    )
    assert f"<p>{ALIKE}</p>" in texts(at)
