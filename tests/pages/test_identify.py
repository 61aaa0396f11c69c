"""The plain Identify page: answers, links, samples, corrections, Why?."""

import json
import shutil

import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df

from model.bundle import roll_back
from model.corrections import correction_store
from model.settings import settings
from tests.model.tiny import CALIBRATED, CARD, MEASURED, colour, give_samples, tiny
from tests.pages.component import open_page
from tests.photos import encoded

RED = "Right 8 of the 9 times it said this in testing"
UNKNOWN = "It also said this about 3 of 60 photos of things it knows in testing"
NO_RECORD = "None of 60 photos got this answer in testing"
ORANGE, GREY = (255, 128, 0), (128, 128, 128)


@pytest.fixture
def card_bundle(default_bundle, models_dir):
    """The model of colours with a card, as the app's default model."""
    return tiny(models_dir, confidence=CALIBRATED, card=CARD, metrics=MEASURED)


@pytest.fixture
def default_bundle(models_dir, monkeypatch):
    """The model of colours, not calibrated, as the app's default model."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(models_dir)


def send(at, rgb):
    at.file_uploader[0].set_value(("photo.png", encoded(colour(rgb), "PNG"), "image/png")).run()
    assert not at.exception
    return at


def words(at):
    return at.header[0].value


def captions(at):
    return [caption.value for caption in at.caption]


def track_records(at):
    return [line for line in captions(at) if " in testing" in line]


def token(at):
    return at.query_params["answer"]


def bars(at):
    """Return the label and the text of each bar of the chart."""
    (chart,) = at.get("vega_lite_chart") or at.get("arrow_vega_lite_chart")
    table = convert_arrow_bytes_to_pandas_df(chart.proto.data.data)
    return list(zip(table["label"], table["text"], strict=True))


def test_answer_shows_its_track_record(card_bundle):
    at = send(open_page(), "black")
    assert words(at) == "Very likely a black"
    assert track_records(at) == [NO_RECORD]


def test_chart_marks_the_plausible_labels_and_none_of_these(card_bundle):
    at = send(open_page(), ORANGE)
    assert [label for label, _ in bars(at)][:3] == ["✓ yellow", "✓ red", "green"]
    at.slider(key="top").set_value(2).run()
    assert len(bars(at)) == 2
    assert bars(send(at, GREY))[0] == ("✓ none of these", "")


@pytest.mark.parametrize("version", ["000000000000", None])
def test_link_opens_the_model_of_its_answer(default_bundle, models_dir, version):
    other = tiny(models_dir, "other")
    at = open_page(answer=f"other~{version or other.version}~c~x~x~0-951")
    assert at.selectbox(key="model").value == "other"
    assert (
        open_page(answer="absent~000000000000~c~x~x~0-951").selectbox(key="model").value == "tiny"
    )


def test_answer_of_a_previous_version_is_shown_while_it_is_kept(card_bundle, models_dir):
    link = token(send(open_page(), "red"))
    tiny(models_dir, confidence=CALIBRATED, card={**CARD, "notes": ["Measured again."]})
    at = open_page(answer=link)
    assert words(at) == "Very likely a red"
    assert not track_records(at)
    roll_back("tiny", card_bundle.version)
    at = open_page(answer=link)
    assert track_records(at) == [RED]
    assert any(text.startswith("This app gave this answer.") for text in captions(at))


def test_first_screen_has_the_models_title_and_says_what_it_knows(default_bundle, models_dir):
    tiny(models_dir, "other", title="Other *colours* <b>", description="")
    at = open_page()
    assert at.title[0].value == "Colours"
    texts = [text.value for text in at.markdown]
    assert r"Names the colour of a photo\." in texts
    assert any("The whole file goes to the server" in text for text in captions(at))
    # The chosen model's, escaped.
    at.selectbox(key="model").set_value("other").run()
    assert at.title[0].value == r"Other \*colours\* \<b\>"
    texts = [text.value for text in at.markdown]
    assert r"Knows six things\: red\, green\, blue and three more\." in texts
    assert not send(at, "red").title


def test_model_that_is_removed_while_it_is_chosen_leaves_no_error(default_bundle, models_dir):
    tiny(models_dir, "other")
    at = open_page()
    shutil.rmtree(default_bundle.folder)
    assert not at.run().exception
    assert "can’t be loaded" in at.warning[0].value


def test_samples_are_the_models_own_and_their_titles_plain_text(default_bundle):
    at = open_page(way="Sample")
    assert any("This model has no samples" in text for text in captions(at))
    give_samples(default_bundle, "blue", "red")
    path = default_bundle.folder / "samples.json"
    listed = json.loads(path.read_text())
    listed["samples"][1]["title"] = "**red** :tada:"
    path.write_text(json.dumps(listed))
    at = open_page(way="Sample")
    assert [at.button(key=f"sample-{number}").label for number in range(2)] == [
        "blue",
        r"\*\*red\*\* \:tada\:",
    ]
    at.button(key="sample-1").click().run()
    assert words(at).endswith("a red")


def test_another_model_identifies_the_photo_again(default_bundle, models_dir):
    tiny(models_dir, "other")
    at = send(open_page(), "red")
    first = token(at)
    at.selectbox(key="model").set_value("other").run()
    assert token(at).startswith("other~")
    # Back selects the model of the answer again.
    at.query_params.clear()
    at.query_params["answer"] = first
    assert at.run().selectbox(key="model").value == "tiny"


def test_why_shows_and_explains_the_overlay(default_bundle):
    at = send(open_page(), "red")
    at.button(key="why").click().run()
    assert not at.exception
    assert any("less sure of red" in text for text in captions(at))


@pytest.mark.parametrize("has_photo", [True, False])
def test_correction_is_saved_with_a_copy_only_if_the_visitor_agrees(
    default_bundle, own_corrections, has_photo
):
    at = send(open_page(), "red")
    at.text_input[0].set_value(" crimson ")
    at.checkbox[0].set_value(has_photo)
    next(button for button in at.button if button.label == "Save").click().run()
    assert "mention number" in at.success[0].value
    (saved,) = correction_store().iter_corrections()
    assert (saved.label, saved.known, saved.has_photo) == ("crimson", False, has_photo)


def test_corrections_are_for_ones_own_answers_unless_switched_off(default_bundle, monkeypatch):
    at = send(open_page(), "red")
    assert at.text_input
    others = open_page(answer=token(at))
    assert not others.text_input
    assert "Why?" not in [expander.label for expander in others.expander]
    monkeypatch.setenv("LOUPE_CORRECTIONS_MAX", "0")
    settings.cache_clear()
    assert not send(open_page(), "red").text_input


def test_unusable_choices_in_the_address_are_refused_until_the_visitor_chooses(
    default_bundle, models_dir
):
    broken = tiny(models_dir, "broken")
    (broken.folder / "graph.onnx").unlink()
    at = open_page(model="broken", engine="learner")
    expected = [
        r"This app can’t use the model “broken”\; showing “Colours”\.",
        r"“Colours” has no learner engine\.",
    ]
    assert [warning.value for warning in at.warning] == expected
    assert [warning.value for warning in at.run().warning] == expected
    at.selectbox(key="model").set_value("imagenet").run()
    assert not at.warning


def test_link_that_cannot_be_shown_gets_a_warning_with_the_reason(default_bundle):
    (warning,) = open_page(answer="tiny~000000000000~c~x~x~1-1").warning
    assert "came from version 000000000000" in warning.value
