"""The viewfinder's part in Python: the component's data, and messages from it."""

from dataclasses import replace

import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from model import load
from model.answer.share_link import Signature, decode, encode
from model.settings import settings
from tests.model.tiny import CALIBRATED, CARD, colour, tiny
from tests.pages.component import data, mounted, send, trigger
from tests.photos import encoded
from ui import component
from ui.about_page.way_picture import ALT_TEXTS
from ui.navigation import ROOT


@pytest.fixture(autouse=True)
def routes(no_routes, monkeypatch):
    """The app with its HTTP routes, as ``st.App`` runs it."""
    monkeypatch.setattr(component, "has_routes", lambda: True)


@pytest.fixture
def bundle(models_dir, monkeypatch):
    """The model of colours, calibrated, as the app's default model."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(models_dir, confidence=CALIBRATED, card=CARD)


def open_app(**query):
    at = AppTest.from_file(ROOT / "ui" / "frame.py", default_timeout=60)
    at.query_params.update(query)
    return checked(at.run())


def checked(at):
    assert not at.exception
    return at


def answer(rgb="red"):
    """Return the token of the server's answer, as its route gives it to the component."""
    return encode(load().identify(encoded(colour(rgb), "PNG")))


def device_answer(rgb="red", **changes):
    """Return the token of an answer that the component makes itself."""
    prediction = load().identify(encoded(colour(rgb), "PNG"))
    return encode(replace(prediction, engine="wasm", graph="small", **changes))


def charts(at):
    return at.get("vega_lite_chart") or at.get("arrow_vega_lite_chart")


def captions(at):
    return " ".join(caption.value for caption in at.caption)


def test_first_screen_is_the_viewfinder(bundle):
    at = open_app()
    given, first = data(at), mounted(at)
    assert given["script"] == "/device/streamlit.mjs"
    assert given["words"] == {
        "headline": "Point your phone at something",
        "line": "This model knows six things: red, green, blue and three more.",
    }
    assert (given["model"], given["run"], given["recent"]) == ("tiny", "auto", "session")
    assert given["open"] is given["shared"] is given["upload"] is None
    assert given["capture"] is True
    assert not at.file_uploader
    # Equal data keep the camera open, and so does the same place on the page.
    again = at.run()
    assert mounted(again) == first


def test_first_screen_has_the_owners_words(bundle, monkeypatch):
    monkeypatch.setenv("LOUPE_TITLE", "What colour?")
    monkeypatch.setenv("LOUPE_DESCRIPTION", "Any colour.")
    settings.cache_clear()
    assert data(open_app())["words"] == {"headline": "What colour?", "line": "Any colour."}


@pytest.mark.parametrize("way", ["Upload", "Camera", "Sample"])
def test_other_ways_feed_the_same_component(bundle, way):
    at = open_app(way=way)
    assert (data(at)["capture"], data(at)["run"]) == (False, "auto")
    assert at.title[0].value == "Colours"
    assert len(at.file_uploader) == (way == "Upload")
    assert len(at.camera_input) == (way == "Camera")


def test_viewfinder_is_hidden_without_routes(bundle, monkeypatch):
    monkeypatch.setattr(component, "has_routes", lambda: False)
    at = open_app()
    assert data(at)["capture"] is data(at)["routes"] is False
    assert data(at)["script"] == "/_stcore/bidi-components/loupe.device/streamlit.mjs"
    assert at.file_uploader
    assert list(at.segmented_control(key="way").options) == ["Upload", "Camera", "Sample"]


def test_script_that_does_not_load_falls_back_to_upload(bundle):
    at = send(open_app(), failed=True)
    assert at.file_uploader
    assert "couldn’t be loaded" in at.warning[0].value


def test_answer_of_the_server_is_opened_and_not_computed_again(bundle, monkeypatch):
    at, link = open_app(), answer()

    def refuse(*_):
        raise AssertionError("A second inference.")

    monkeypatch.setattr("model.classifier.Classifier.identify_detailed", refuse)
    send(at, opened=link)
    assert at.query_params["answer"] == data(at)["open"] == link
    assert decode(link).signature is Signature.VALID


def test_chart_shows_the_labels_that_the_component_does_not(bundle):
    at = send(open_app(), opened=answer())
    assert [title.value for title in at.subheader] == ["The next label"]
    (chart,) = charts(at)
    assert len(convert_arrow_bytes_to_pandas_df(chart.proto.data.data)) == 1
    # The slider counts both.
    at.slider(key="top").set_value(3).run()
    assert data(at)["rows"] == 3
    assert not charts(at)


def test_unknown_answer_has_no_percentages(bundle):
    at = send(open_app(), opened=device_answer(in_distribution=False))
    assert at.query_params["answer"]
    assert not charts(at)


def test_opening_an_answer_chooses_its_model(bundle, models_dir):
    tiny(models_dir, "other", title="Other")
    at = send(open_app(), opened=answer())
    first = at.query_params["answer"]
    second = encode(load("other").identify(encoded(colour("red"), "PNG")))
    send(at, opened=second)
    assert at.query_params["answer"] == second
    assert data(at)["model"] == at.selectbox(key="model").value == "other"
    # Back: the address of the first answer, without a model.
    at.query_params.clear()
    at.query_params["answer"] = first
    assert data(at.run())["model"] == "tiny"
    # An address with another model than the answer's is corrected.
    at.query_params["model"] = "other"
    assert data(at.run())["model"] == "tiny"


def test_strangers_link_gives_the_component_its_answer_without_a_photo(bundle):
    link = answer()
    at = open_app(answer=link)
    shared = data(at)["shared"]
    assert shared["answer"]["token"] == link
    assert shared["note"].startswith("This app gave this answer.")
    assert shared["answer"]["headline"] == ["Very likely a ", {"label": "red"}]
    assert shared["answer"]["where"] == "server"
    assert shared["answer"]["milliseconds"] is None


def test_strangers_unverified_links_say_so_and_stay_unsigned(bundle):
    unsigned = answer().partition(".")[0]
    shared = data(open_app(answer=unsigned))["shared"]
    assert shared["answer"]["token"] == unsigned
    assert shared["note"].startswith("Unverified answer")
    shared = data(open_app(answer=device_answer()))["shared"]
    assert "computed on the visitor’s own device" in shared["note"]
    assert shared["answer"]["prediction"]["graph"] == "small"


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("tiny~000000000000~c~x~x~1-1", "came from version 000000000000"),
        ("gone~000000000000~c~x~x~1-1", "a model this app doesn’t have"),
        ("<img src=x onerror=alert(1)>", "incomplete"),
    ],
)
def test_link_that_cannot_be_shown_is_refused_in_words(bundle, link, reason):
    at = open_app(answer=link)
    assert data(at)["shared"] is None
    assert reason in at.warning[0].value
    assert not charts(at)


def test_visitor_opens_an_answer_and_closes_it(bundle):
    first, second = answer(), answer("green")
    at = send(send(open_app(), opened=first), opened=second)
    assert data(at)["open"] == second
    assert send(at, opened=first).query_params["answer"] == first
    assert "answer" not in send(at, opened=None).query_params
    assert data(at)["open"] is None
    assert not charts(at)


@pytest.mark.parametrize("sent", [7, ["x"], {"a": 1}, "", "x" * 1001])
def test_malformed_messages_open_nothing(bundle, sent):
    at = send(open_app(), opened=sent)
    for messages in (sent, [sent], [{"id": sent, "name": "opened"}], [{"id": 9, "name": sent}]):
        trigger(at, messages=messages)
    assert "answer" not in at.query_params


def test_messages_are_acted_on_once_and_in_order(bundle):
    first, second = answer(), answer("green")
    values = (("opened", first), ("run", "device"), ("opened", second))
    sent = [
        {"id": number, "name": name, "value": value}
        for number, (name, value) in enumerate(values, 5)
    ]
    at = trigger(open_app(), messages=sent)
    given = data(at)
    assert (given["heard"], given["open"], given["run"]) == (7, second, "device")
    trigger(at, messages=[{"id": 8, "name": "run", "value": "auto"}])
    # A message that arrives again.
    given = data(trigger(at, messages=sent))
    assert (given["heard"], given["open"], given["run"]) == (8, second, "auto")


def test_repeated_message_comes_with_an_address_from_before_it(bundle):
    at = send(open_app(), opened=answer())
    number = data(at)["heard"] + 1
    sent = [{"id": number, "name": "opened", "value": None}]
    at = trigger(at, messages=sent)
    sent.append({"id": number + 1, "name": "run", "value": "device"})
    for _ in range(2):
        at.query_params["answer"] = answer()
        at.query_params.pop("run", None)
        given = data(trigger(at, messages=sent))
        assert (given["open"], given["run"]) == (None, "device")
        assert "answer" not in at.query_params
        assert at.query_params["run"] in ("device", ["device"])


def test_chip_chooses_the_model(bundle, models_dir):
    tiny(models_dir, "other", title="Other")
    at = send(open_app(), model="other")
    assert at.selectbox(key="model").value == "other"
    assert data(at)["model"] == "other"
    for name in ("nowhere", 7, None, ["other"]):
        assert data(send(at, model=name))["model"] == "other"


def test_visitor_chooses_the_engines_place(bundle):
    at = send(open_app(), run="device")
    assert data(at)["run"] == at.query_params["run"] == "device"
    # Another widget's run may bring the address from before the choice.
    at.query_params["run"] = "server"
    assert data(at.run())["run"] == "device"
    for other in ("everywhere", 7, None, ["server"]):
        assert data(send(at, run=other))["run"] == "device"
    # The owner's choice needs no address.
    assert data(send(at, run="auto"))["run"] == "auto"
    assert "run" not in at.query_params


@pytest.mark.parametrize(
    ("environment", "query", "run"),
    [
        ({}, {"run": "server"}, "server"),
        ({}, {"run": "everywhere"}, "auto"),
        ({"LOUPE_RUN": "device"}, {}, "device"),
        ({"LOUPE_RUN": "device"}, {"run": "auto"}, "auto"),
        ({"LOUPE_RUN": "device", "LOUPE_DOWNLOADS": "false"}, {"run": "device"}, "device"),
        ({"LOUPE_DOWNLOADS": "false", "LOUPE_BUILTIN": "false"}, {"run": "device"}, "server"),
    ],
)
def test_owner_and_address_choose_the_engines_place(bundle, monkeypatch, environment, query, run):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    assert data(open_app(**query))["run"] == run


def about(query=None, tokens=(), **environment):
    """Return the About page's text, and the alt texts of its pictures."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(f"LOUPE_{name}", value)
        settings.cache_clear()
        at = open_app(**query or {})
        at.session_state["session"].own_tokens.extend(tokens)
        at = checked(at.switch_page("../pages/about.py").run())
    settings.cache_clear()
    names = [one.proto.component_name for one in at.get("bidi_component")]
    pictures = [name for name in names if name.startswith("way-")]
    return " ".join(one.value for one in at.markdown), pictures


DEVICE, PIXELS, FILE = (f"way-{way}" for way in ALT_TEXTS)


def test_about_shows_every_way_a_photo_can_take(bundle):
    text, pictures = about()
    assert pictures == [DEVICE, PIXELS, FILE]
    assert "The photo stays." in text
    assert "Only the marked part leaves, made small: about 2\N{NO-BREAK SPACE}kB" in text
    assert about(DOWNLOADS="false")[1] == [PIXELS, FILE]


def test_about_begins_with_the_way_in_use(bundle):
    assert about(RUN="server")[1] == about({"run": "server"})[1] == [PIXELS, FILE, DEVICE]
    assert about(RUN="server", tokens=[answer(), device_answer()])[1] == [DEVICE, PIXELS, FILE]
    assert about(tokens=[device_answer(), answer()])[1] == [FILE, DEVICE, PIXELS]


@pytest.mark.parametrize(
    ("environment", "said", "unsaid"),
    [
        ({}, "your next visit after you close this tab", "your first visit after a day"),
        ({"RECENT": "day"}, "your first visit after a day", "you close this tab"),
        ({}, "the photo only if you tick the box", "the server’s database"),
        ({"DATABASE": "sqlite:///x"}, "the server’s database", "the server’s disk"),
        ({"CORRECTIONS_MB": "0"}, "your label, the model’s answer, the time", "tick the box"),
        ({"CORRECTIONS_MAX": "0"}, "A batch", "A correction"),
    ],
)
def test_about_says_what_is_kept_by_the_settings(bundle, environment, said, unsaid):
    text, _ = about(**environment)
    assert said in text
    assert unsaid not in text


def test_about_promises_nothing_of_a_device_without_routes(bundle, monkeypatch):
    monkeypatch.setattr(component, "has_routes", lambda: False)
    text, pictures = about()
    assert pictures == [FILE]
    assert "viewfinder" not in text
    assert "The photo stays" not in text
    assert "**Your newest photo** what a smaller copy where the server’s memory" in text
