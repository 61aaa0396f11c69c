"""The Identify page with Streamlit's own widgets: answers, links, errors, requests."""

import base64
import json

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from model.bundle import roll_back
from model.corrections import correction_store
from model.settings import settings
from tests.model.tiny import CALIBRATED, CARD, MEASURED, colour, give_samples, tiny
from tests.pages import component
from tests.pages.component import data, shown_answer, text
from tests.photos import encoded
from ui.navigation import ROOT

RED = "Right 8 of the 9 times it said this in tests"
YELLOW = "One of the words it named was right 92 of 100 times in tests"
UNKNOWN = "It also said this about 3 of 60 photos of things it does know in tests"
NO_RECORD = "None of 60 photos got this answer in tests"
ORANGE, GREY = (255, 128, 0), (128, 128, 128)


@pytest.fixture
def card_bundle(models_dir, monkeypatch):
    """The model of colours with a card, as the app's default model."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(models_dir, confidence=CALIBRATED, card=CARD, metrics=MEASURED)


@pytest.fixture
def default_bundle(models_dir, monkeypatch):
    """The model of colours, not calibrated, as the app's default model."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(models_dir)


def open_app(**query):
    at = AppTest.from_file(ROOT / "ui" / "frame.py", default_timeout=60)
    at.query_params.update(query)
    return at.run()


def send(at, rgb):
    return send_file(at, encoded(colour(rgb), "PNG"))


def send_file(at, data, name="photo.png"):
    at.file_uploader[0].set_value((name, data, "image/png")).run()
    assert not at.exception
    return at


def words(at):
    return text(shown_answer(at)["headline"])


def track_records(at):
    lines = map(text, shown_answer(at)["lines"])
    return [line for line in lines if " in tests" in line]


def token(at):
    return at.query_params["answer"]


@pytest.mark.parametrize(
    ("rgb", "expected", "sentences"),
    [
        ("red", "Very likely a red", [RED]),
        (ORANGE, "A yellow or a red", [YELLOW]),
        ("black", "Very likely a black", [NO_RECORD]),
        (GREY, "None of the six things I know (closest: white)", [UNKNOWN]),
    ],
)
def test_answer_shows_its_track_record(card_bundle, rgb, expected, sentences):
    at = send(open_app(), rgb)
    assert words(at) == expected
    assert track_records(at) == sentences


@pytest.mark.parametrize("version", ["000000000000", None])
def test_link_opens_the_model_of_its_answer(default_bundle, models_dir, version):
    other = tiny(models_dir, "other")
    at = open_app(answer=f"other~{version or other.version}~c~x~x~0-951")
    assert at.selectbox(key="model").value == "other"
    assert open_app(answer="absent~000000000000~c~x~x~0-951").selectbox(key="model").value == "tiny"


def test_answer_of_a_previous_version_is_shown_while_it_is_kept(card_bundle, models_dir):
    link = token(send(open_app(), "red"))
    tiny(models_dir, confidence=CALIBRATED, card={**CARD, "notes": ["Measured again."]})
    at = open_app(answer=link)
    assert words(at) == "Very likely a red"
    assert not track_records(at)
    roll_back("tiny", card_bundle.version)
    assert track_records(open_app(answer=link)) == [RED]


def test_first_screen_has_the_models_title_and_says_what_it_knows(default_bundle, models_dir):
    tiny(models_dir, "other", title="Other *colours* <b>", description="")
    at = open_app()
    assert at.title[0].value == "Colours"
    texts = [text.value for text in at.markdown]
    assert r"Names the colour of a photo\." in texts
    captions = [caption.value for caption in at.caption]
    assert any("The whole file goes to the server" in text for text in captions)
    assert any(text.startswith("JPEG, PNG, WebP") for text in captions)
    # The chosen model's, escaped.
    at.selectbox(key="model").set_value("other").run()
    assert at.title[0].value == r"Other \*colours\* \<b\>"
    texts = [text.value for text in at.markdown]
    assert r"Knows six things\: red\, green\, blue and three more\." in texts
    assert not send(at, "red").title


def test_samples_are_the_models_own_and_their_titles_plain_text(default_bundle):
    at = open_app(way="Sample")
    assert any("This model has no samples" in caption.value for caption in at.caption)
    give_samples(default_bundle, "blue", "red")
    path = default_bundle.folder / "samples.json"
    listed = json.loads(path.read_text())
    listed["samples"][1]["title"] = "**red** :tada:"
    path.write_text(json.dumps(listed))
    at = open_app(way="Sample")
    assert [at.button(key=f"sample-{number}").label for number in range(2)] == [
        "blue",
        r"\*\*red\*\* \:tada\:",
    ]
    at.button(key="sample-1").click().run()
    assert words(at).endswith("a red")
    assert data(at)["upload"]["alt"] == "Only red"


def test_earlier_answer_is_marked_as_the_visitors_own(default_bundle):
    first = token(at := send(open_app(), "red"))
    at.query_params["answer"] = token(send(at, "green"))
    assert data(at.run())["upload"]["alt"] == "The photo you uploaded"
    at.query_params["answer"] = first
    given = data(at.run())
    assert given["upload"] is None
    assert given["shared"]["note"].startswith("You got this answer earlier")


def test_another_model_identifies_the_upload_again(default_bundle, models_dir):
    tiny(models_dir, "other")
    at = send(open_app(), "red")
    first = token(at)
    at.selectbox(key="model").set_value("other").run()
    assert data(at)["upload"]["answer"]["prediction"]["model"] == "other"
    assert token(at).startswith("other~")
    # Back brings the model along with the answer.
    at.query_params["answer"] = first
    at.run()
    assert data(at)["model"] == at.selectbox(key="model").value == "tiny"
    assert shown_answer(at)["prediction"]["model"] == "tiny"


def request(at, name, **fields):
    """Send a request as the component does where the app has no routes; return the response."""
    return data(component.send(at, request={"id": "r1", "name": name, **fields}))["responses"][-1]


def test_component_corrects_an_answer_without_routes(default_bundle, own_corrections):
    at = send(open_app(), "red")
    given = {"token": token(at), "labels": ["crimson"]}
    number = request(at, "correction", **given)["body"]["number"]
    # The same again, with the photo, takes its place.
    picture = base64.b64encode(encoded(colour("red"))).decode()
    assert request(at, "correction", **given, photo=picture)["body"]["number"] == number
    (saved,) = correction_store().iter_corrections()
    assert (saved.label, saved.known, saved.has_photo) == ("crimson", False, True)


def test_component_learns_labels_and_why_without_routes(default_bundle):
    at = send(open_app(), "red")
    assert request(at, "describe")["body"]["labels"] == list(default_bundle.labels)
    # The session has a copy; a recent photo comes from the browser.
    assert request(at, "explanation", token=token(at))["body"]["label"] == "red"
    picture = base64.b64encode(encoded(colour("blue"))).decode()
    assert request(at, "photo", photo=picture)["body"]["prediction"]["answer"] == "blue"


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("photo", {}, "empty"),
        ("photo", {"photo": "%"}, "data-refused"),
        ("photo", {"photo": ["a"]}, "data-refused"),
        ("explanation", {"token": "x"}, "link-refused"),
        ("correction", {"token": "x", "labels": ["red"]}, "link-refused"),
    ],
)
def test_malformed_request_is_refused(default_bundle, name, fields, code):
    response = request(open_app(), name, **fields)
    assert (response["code"], response["body"]) == (code, None)


def test_unknown_request_is_ignored(default_bundle):
    at = open_app()
    requests: list[object] = [None, 7, [], {}, {"name": "other"}, {"name": ["photo"]}]
    for sent in requests:
        assert data(component.send(at, request=sent))["responses"] == []


def test_corrections_can_be_switched_off(default_bundle, monkeypatch):
    monkeypatch.setenv("LOUPE_CORRECTIONS_MAX", "0")
    settings.cache_clear()
    assert data(open_app())["corrections"] is False


def test_browser_that_cannot_load_the_component_reads_words_and_chart(card_bundle):
    at = component.send(open_app(), failed=True)
    send(at, "red")
    assert not at.get("bidi_component")
    assert at.header[0].value == "Very likely a red"
    assert [caption.value for caption in at.caption if " in tests" in caption.value] == [RED]
    assert at.get("vega_lite_chart") or at.get("arrow_vega_lite_chart")


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
    answer = words(send(at.run(), "red"))
    # A click in the navigation sends no parameters.
    kept = at.query_params.pop("answer") if keeps_address else None
    at.query_params.clear()
    at.switch_page(f"../pages/{page}.py").run()
    names = {one.proto.component_name for one in at.get("bidi_component")}
    assert names <= {"way-file", "clear"}
    assert at.query_params.get("answer") == kept
    at.query_params.clear()
    at.switch_page("../pages/identify.py").run()
    assert words(at) == answer
    assert at.query_params.get("answer") == kept


def test_answer_is_shown_again_although_its_page_was_left_while_drawn(default_bundle, monkeypatch):
    monkeypatch.setattr("ui.answer_view.show_further_labels", lambda *_: st.stop())
    at = AppTest.from_file(ROOT / "ui" / "frame.py", default_timeout=60).run()
    answer = words(send(at, "red"))
    for page in ("about", "identify"):
        at.query_params.clear()
        at.switch_page(f"../pages/{page}.py").run()
    assert words(at) == answer


def test_unusable_choices_in_the_address_are_refused_until_the_visitor_chooses(
    default_bundle, models_dir
):
    broken = tiny(models_dir, "broken")
    (broken.folder / "graph.onnx").unlink()
    at = open_app(model="broken", engine="learner")
    expected = [
        r"This app can’t use the model “broken”\; showing “Colours”\.",
        r"“Colours” has no learner engine\.",
    ]
    assert [warning.value for warning in at.warning] == expected
    assert [warning.value for warning in at.run().warning] == expected
    at.selectbox(key="model").set_value("imagenet").run()
    assert not at.warning
