"""The Identify page without a browser: track records, recent photos, errors, corrections."""

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from model.bundle import roll_back
from model.corrections import correction_store
from model.settings import settings
from tests.model.tiny import CALIBRATED, CARD, colour, tiny
from tests.photos import encoded
from ui.navigation import ROOT
from ui.session import MAX_PHOTOS

RED = "In testing, 8 of the 9 photos it called a red were right; the other showed a yellow."
YELLOW = (
    "In testing, 9 of the 11 photos it called a yellow were right; the others all showed a red."
)
NO_RECORD = (
    "In testing, none of 60 photos was called a black, so this answer has no track record yet."
)
ORANGE, GREY = (255, 128, 0), (128, 128, 128)


@pytest.fixture
def card_bundle(shelf, monkeypatch):
    """The model of colours with a card, as the app's default model."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(shelf, confidence=CALIBRATED, card=CARD)


@pytest.fixture
def default_bundle(shelf, monkeypatch):
    """The model of colours, not calibrated, as the app's default model."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(shelf)


def open_app(**query):
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60)
    at.query_params.update(query)
    return at.run()


def send(at, rgb):
    return send_file(at, encoded(colour(rgb), "PNG"))


def send_file(at, data, name="photo.png"):
    at.file_uploader[0].set_value((name, data, "image/png")).run()
    assert not at.exception
    return at


def track_records(at):
    return [caption.value for caption in at.caption if caption.value.startswith("In testing")]


def token(at):
    return at.query_params["answer"]


@pytest.mark.parametrize(
    ("rgb", "words", "sentences"),
    [
        ("red", "Very likely a red", [RED]),
        (ORANGE, "A yellow or a red", [YELLOW]),
        ("black", "Very likely a black", [NO_RECORD]),
        # What it says of things it knows says nothing about things it doesn't.
        (GREY, "None of the six things I know (closest: white)", []),
    ],
)
def test_answer_shows_its_track_record(card_bundle, rgb, words, sentences):
    at = send(open_app(), rgb)
    assert at.header[0].value == words
    assert track_records(at) == sentences


def test_shared_answer_shows_its_track_record(card_bundle):
    at = open_app(answer=token(send(open_app(), "red")))
    assert at.header[0].value == "Very likely a red"
    assert track_records(at) == [RED]


@pytest.mark.parametrize("version", ["000000000000", None])
def test_link_opens_the_model_of_its_answer(default_bundle, shelf, version):
    other = tiny(shelf, "other")
    at = open_app(answer=f"other~{version or other.version}~c~x~x~0-951")
    assert at.selectbox(key="model").value == "other"
    assert open_app(answer="absent~000000000000~c~x~x~0-951").selectbox(key="model").value == "tiny"


def test_answer_of_a_model_without_a_card_has_no_track_record(shelf, monkeypatch):
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    tiny(shelf, confidence=CALIBRATED)
    at = send(open_app(), "red")
    assert at.header[0].value == "Very likely a red"
    assert not track_records(at)


def test_answer_of_a_previous_version_has_no_track_record(card_bundle, shelf):
    at = send(open_app(), "red")
    tiny(shelf, confidence=CALIBRATED, card={**CARD, "notes": ["Measured again."]})
    at.run()
    assert at.header[0].value == "Very likely a red"
    assert not track_records(at)
    roll_back("tiny", card_bundle.version)
    at.run()
    assert track_records(at) == [RED]


def test_answer_of_a_removed_model_has_no_track_record(card_bundle):
    at = send(open_app(), "red")
    (card_bundle.folder.parent / "current").write_text("gone")
    at.run()
    assert not at.exception
    assert not track_records(at)


def test_first_screen_has_the_models_title_and_says_what_it_knows(default_bundle, shelf):
    tiny(shelf, "other", title="Other *colours* <b>", description="")
    at = open_app()
    assert at.title[0].value == "Colours"
    texts = [text.value for text in at.markdown]
    assert r"Names the colour of a photo\." in texts
    captions = [caption.value for caption in at.caption]
    assert any("Take or upload a photo to see what it is." in text for text in captions)
    assert any(text.startswith("JPEG, PNG, WebP") for text in captions)
    # The chosen model's, escaped.
    at.selectbox(key="model").set_value("other").run()
    assert at.title[0].value == r"Other \*colours\* \<b\>"
    texts = [text.value for text in at.markdown]
    assert r"Knows six things\: red\, green\, blue and three more\." in texts
    assert not send(at, "red").title


def test_first_screen_has_the_title_in_the_settings(default_bundle, shelf, monkeypatch):
    tiny(shelf, "other", title="Other")
    monkeypatch.setenv("LOUPE_TITLE", "What colour?")
    monkeypatch.setenv("LOUPE_DESCRIPTION", "**Any** colour.")
    settings.cache_clear()
    at = open_app()
    for name in ("tiny", "other"):
        at.selectbox(key="model").set_value(name).run()
        assert at.title[0].value == r"What colour\?"
        assert r"\*\*Any\*\* colour\." in [text.value for text in at.markdown]


def test_answer_in_another_session_says_that_its_photo_is_gone(default_bundle):
    at = open_app(answer=token(send(open_app(), "red")))
    assert "Its photo is no longer here" in at.info[0].value
    assert "Send the photo again" in at.info[0].value
    assert not at.button


def test_dropped_photo_is_said_to_be_the_visitors_own(default_bundle):
    at = open_app()
    tokens = []
    for number in range(MAX_PHOTOS + 1):
        send(at, (255, 28 * number, 0))
        tokens.append(token(at))
    assert "Only your last eight photos are kept, and only until you leave." in at.caption[-1].value
    at.query_params["answer"] = tokens[0]
    at.run()
    assert at.info[0].value.startswith("You got this answer earlier")
    assert "Send the photo again" in at.info[0].value


def test_error_gives_way_to_the_next_photo(default_bundle):
    at = send_file(open_app(), b"", "empty.jpg")
    assert "empty" in at.warning[0].value
    send_file(at, b"%PDF-1.7 no photo", "letter.pdf")
    assert len(at.warning) == 1
    assert "file type isn't supported" in at.warning[0].value
    assert not send(at, "red").warning


def test_photo_without_a_suffix_is_identified(default_bundle):
    at = send_file(open_app(), encoded(colour("red"), "PNG"), "photo")
    assert at.header[0].value == "My best guess: a red"


def test_narrow_photo_scrolls_and_has_a_square_thumbnail(default_bundle):
    at = open_app()
    send_file(at, encoded(Image.new("RGB", (60, 600), (255, 0, 0))))
    send(at, "green")
    assert not at.exception
    photos = at.session_state["session"].photos
    assert [photo.size_px for photo in photos][1] == (60, 600)


def test_none_of_these_is_not_looked_up(card_bundle):
    at = send(open_app(), GREY)
    assert "closest" in at.header[0].value
    assert "Look it up" not in popovers(at)
    assert "Look it up" in popovers(send(at, "red"))


def popovers(at):
    return [block.proto.popover.label for block in blocks(at.main) if block.type == "popover"]


def blocks(block):
    for child in getattr(block, "children", {}).values():
        yield child
        yield from blocks(child)


def open_correction(at):
    """Return the correction dialog of an answer, which stays open with every run."""

    def script():
        import streamlit as st

        from ui.answer_view import correction_dialog

        if not st.session_state.get("correction_saved"):
            correction_dialog(st.session_state["photo"])

    dialog = AppTest.from_function(script, default_timeout=60)
    dialog.session_state["photo"] = at.session_state["session"].photos[0]
    return dialog.run()


def save(dialog):
    """Press Save; return the new corrections."""
    before = len(list(correction_store().iter_corrections()))
    dialog.button[0].click().run()
    assert not dialog.exception
    corrections = list(correction_store().iter_corrections())[before:]
    return [(correction.label, correction.known) for correction in corrections]


def test_correction_takes_a_label_of_the_model(default_bundle):
    dialog = open_correction(send(open_app(), "red"))
    assert save(dialog) == []
    assert "Choose a label or type your own" in dialog.warning[0].value
    dialog.selectbox[0].set_value("green")
    assert save(dialog) == [("green", True)]


def test_correction_takes_a_typed_word_without_enter(default_bundle):
    dialog = open_correction(send(open_app(), "red"))
    dialog.text_input[0].set_value(" crimson ")
    assert save(dialog) == [("crimson", False)]


def test_correction_of_a_multilabel_model_takes_several_labels(shelf, monkeypatch):
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    tiny(shelf, multilabel=True)
    dialog = open_correction(send(open_app(), "red"))
    dialog.multiselect[0].set_value(["red", "blue"])
    dialog.text_input[0].set_value("crimson")
    assert save(dialog) == [("red; blue; crimson", False)]


@pytest.fixture
def own_corrections(default_bundle, monkeypatch):
    """An empty store in the data folder of this test; reopened with other settings by a call."""

    def reopen(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        correction_store.cache_clear()

    reopen()
    yield reopen
    if correction_store.cache_info().currsize:
        correction_store().close()
    correction_store.cache_clear()


def kept():
    """Return the corrections, and whether their photos were saved."""
    return [
        (correction.label, correction.has_photo)
        for correction in correction_store().iter_corrections()
    ]


def test_same_correction_is_saved_once_and_the_answer_says_so(own_corrections):
    at = send(open_app(), "red")
    dialog = open_correction(at)
    for keeps_photo in (False, True, False):
        dialog.text_input[0].set_value("*crimson*")
        dialog.checkbox[0].set_value(keeps_photo)
        dialog.button[0].click().run()
        assert kept() == [("*crimson*", keeps_photo)]
        del dialog.session_state["correction_saved"]
        dialog.run()
    at.session_state["corrections"] = dialog.session_state["corrections"]
    (number,) = at.session_state["corrections"].values()
    at.run()
    (caption,) = (text.value for text in at.caption if "You corrected this" in text.value)
    assert "\\*crimson\\*" in caption
    assert "may be used to improve the model" in caption
    assert f"mention number {number} to" in caption
    # Another answer was not corrected.
    assert not any("You corrected this" in text.value for text in send(at, "blue").caption)


def test_eleventh_correction_of_a_session_is_refused(own_corrections):
    dialog = open_correction(send(open_app(), "red"))
    for number in range(11):
        dialog.text_input[0].set_value(f"word {number}")
        dialog.button[0].click().run()
        if number < 10:
            del dialog.session_state["correction_saved"]
            dialog.run()
    assert dialog.warning[0].value.startswith("You've saved ten corrections")
    assert len(kept()) == 10
    # Saving the first again adds none.
    dialog.text_input[0].set_value("word 0")
    dialog.button[0].click().run()
    assert not dialog.warning
    assert len(kept()) == 10


def test_full_app_says_so_and_keeps_the_dialog(own_corrections):
    own_corrections(LOUPE_CORRECTIONS_MAX="1")
    dialog = open_correction(send(open_app(), "red"))
    dialog.text_input[0].set_value("one")
    dialog.button[0].click().run()
    del dialog.session_state["correction_saved"]
    dialog.run()
    dialog.text_input[0].set_value("two")
    dialog.button[0].click().run()
    assert "limit for corrections (1)" in dialog.error[0].value
    assert dialog.text_input[0].value == "two"


def test_button_is_gone_if_no_corrections_are_saved(own_corrections):
    own_corrections(LOUPE_CORRECTIONS_MAX="0")
    at = send(open_app(), "red")
    assert [button.key for button in at.button if button.key in ("why", "correct")] == ["why"]


@pytest.mark.parametrize(
    ("page", "query", "keeps_address"),
    [
        ("about", {}, True),
        ("models", {}, True),
        # Written back alone, the answer would be another address, and so an entry in the
        # browser's history.
        ("models", {"top": "3"}, False),
    ],
)
def test_answer_is_shown_again_after_another_page(default_bundle, page, query, keeps_address):
    at = AppTest.from_file(ROOT / "ui" / "frame.py", default_timeout=60)
    at.query_params.update(query)
    words = send(at.run(), "red").header[0].value
    # A click in the navigation sends no parameters.
    kept = at.query_params.pop("answer") if keeps_address else None
    at.query_params.clear()
    at.switch_page(f"../pages/{page}.py").run()
    assert at.header[0].value != words
    assert at.query_params.get("answer") == kept
    at.query_params.clear()
    at.switch_page("../pages/identify.py").run()
    assert at.header[0].value == words
    assert at.query_params.get("answer") == kept


def test_unusable_choices_in_the_address_are_refused_until_the_visitor_chooses(
    default_bundle, shelf
):
    broken = tiny(shelf, "broken")
    (broken.folder / "graph.onnx").unlink()
    at = open_app(model="broken", engine="learner")
    expected = [
        r"This app can\'t use the model “broken”\; showing “Colours”\.",
        r"“Colours” has no learner engine\.",
    ]
    assert [warning.value for warning in at.warning] == expected
    assert [warning.value for warning in at.run().warning] == expected
    at.selectbox(key="model").set_value("imagenet").run()
    assert not at.warning
