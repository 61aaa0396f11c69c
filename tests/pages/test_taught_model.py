"""A taught model on the pages: no model card, counted in recordings."""

import pytest

from model.teaching import teach
from tests.model.teaching.test_teaching import photos_of_colours
from tests.model.tiny import tiny
from tests.pages.test_identify import GREY, open_app, send, track_records, words
from tests.pages.test_models import opened


@pytest.fixture
def taught(models_dir, tmp_path, monkeypatch):
    tiny(models_dir)
    monkeypatch.setenv("LOUPE_MODEL", "mine")
    return teach(photos_of_colours(tmp_path / "My colours"), "tiny").publish("mine")


def test_taught_model_answers_on_the_identify_page(taught):
    at = send(open_app(), "green")
    assert words(at).endswith(" green")
    assert track_records(at) == []
    assert words(send(at, GREY)).startswith("None of the three things I know (closest: ")


def test_its_card_counts_recordings(taught):
    at = opened("more-mine")
    assert at.subheader[0].value == "My colours"
    captions = [caption.value for caption in at.caption]
    assert any("What is counted are recordings" in caption for caption in captions)
