"""The viewfinder's part in Python: what the component gets, and what it may send."""

import json

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from model import load
from model.session_answers import session_answers
from model.settings import settings
from model.share_link import Signature, decode
from tests.model.tiny import CALIBRATED, CARD, colour, tiny
from tests.photos import encoded
from ui import component
from ui.navigation import ROOT


@pytest.fixture(autouse=True)
def routes(no_routes, monkeypatch):
    """The app with its HTTP routes, as ``st.App`` runs it."""
    monkeypatch.setattr(component, "has_routes", lambda: True)


@pytest.fixture
def bundle(shelf, monkeypatch):
    """The model of colours, calibrated, as the app's default model."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(shelf, confidence=CALIBRATED, card=CARD)


def open_app(**query):
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60)
    at.query_params.update(query)
    return checked(at.run())


def checked(at):
    assert not at.exception
    return at


def mounted(at):
    (found,) = at.get("bidi_component")
    return found.proto


def data(at):
    return json.loads(mounted(at).json)


def send(at, **events):
    """Run the script as the browser does when the component sets triggers."""
    states = at._tree.get_widget_states()
    trigger = WidgetState(id=f"$$STREAMLIT_INTERNAL_KEY_{mounted(at).id}__events")
    trigger.json_trigger_value = json.dumps(
        [{"event": name, "value": value} for name, value in events.items()]
    )
    states.widgets.append(trigger)
    return checked(at._run(states))


def answer_on_server(at, rgb="red", answer_id="a1"):
    """Let the server identify a photo, as its route does, and show the answer."""
    token = data(at)["token"]
    stored = session_answers.put(token, load().identify(encoded(colour(rgb), "PNG")))
    return send(at, answer={"answerId": answer_id, "kind": "server", "id": stored})


def from_device(bundle, **changes):
    return {
        "answerId": "d1",
        "kind": "device",
        "model": bundle.name,
        "version": bundle.version,
        "graph": "small",
        "labels": [[0, 0.95], [3, 0.05], [1, 0.0], [2, 0.0], [4, 0.0], [5, 0.0]],
        "known": True,
        "novelty": 0.1,
        "plausible": [0],
        "milliseconds": {"decode": 1.0, "preprocess": 2.0, "engine": 30.0, "total": 34.0},
        **changes,
    }


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
        "line": "I know six things: red, green, blue and three more.",
    }
    assert (given["model"], given["run"], given["recent"]) == ("tiny", "auto", "session")
    assert given["open"] is given["shared"] is given["confirmed"] is None
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
def test_other_ways_stay(bundle, way):
    at = open_app(way=way)
    assert not at.get("bidi_component")
    assert at.title[0].value == "Colours"
    assert len(at.file_uploader) == (way == "Upload")
    assert len(at.camera_input) == (way == "Camera")


def test_without_routes_there_is_no_viewfinder(bundle, monkeypatch):
    monkeypatch.setattr(component, "has_routes", lambda: False)
    at = open_app()
    assert not at.get("bidi_component")
    assert at.file_uploader
    assert list(at.segmented_control(key="way").options) == ["Upload", "Camera", "Sample"]


def test_script_that_does_not_load_gives_way_to_upload(bundle):
    at = send(open_app(), failed=True)
    assert at.file_uploader
    assert "couldn't be loaded" in at.warning[0].value


def test_answer_of_the_server_is_taken_and_not_computed_again(bundle, monkeypatch):
    at = open_app()
    prediction = load().identify(encoded(colour("red"), "PNG"))
    stored = session_answers.put(data(at)["token"], prediction)

    def refuse(*_):
        raise AssertionError("A second inference.")

    monkeypatch.setattr("model.classifier.Classifier.identify_detailed", refuse)
    send(at, answer={"answerId": "a1", "kind": "server", "id": stored})
    token = at.query_params["answer"]
    confirmed = data(at)["confirmed"]
    assert confirmed == {"answerId": "a1", "id": stored, "token": token, "url": confirmed["url"]}
    assert token in confirmed["url"]
    assert data(at)["open"] == token
    assert decode(token).signature is Signature.VALID
    assert charts(at)
    assert f"compiled engine · tiny {bundle.version}" in captions(at)
    assert "On the server in " in captions(at)


def test_unknown_answer_has_no_percentages(bundle):
    at = send(open_app(), answer=from_device(bundle, known=False))
    assert at.query_params["answer"]
    assert not charts(at)
    assert "labels" not in " ".join(title.value for title in at.subheader)


def test_answer_of_a_device_is_shown_and_its_link_is_unsigned(bundle):
    at = send(open_app(), answer=from_device(bundle))
    token = at.query_params["answer"]
    assert decode(token).signature is Signature.DEVICE
    assert charts(at)
    assert "On this device in 34 ms · wasm engine" in captions(at)
    # By this id a correction names it.
    given = data(at)
    kept = session_answers.get(given["token"], given["confirmed"]["id"])
    assert kept.engine == "wasm"


@pytest.mark.parametrize(
    "sent",
    [
        None,
        7,
        "text",
        [],
        {},
        {"answerId": "<b>"},
        {"answerId": "x" * 65, "kind": "server"},
        {"answerId": ["a"], "kind": "device"},
    ],
)
def test_answer_without_an_id_is_ignored(bundle, sent):
    at = send(open_app(), answer=sent)
    assert not at.query_params
    assert not at.warning


@pytest.mark.parametrize(
    "sent",
    [
        {"kind": "server", "id": "made-up"},
        {"kind": "server", "id": ["a"]},
        {"kind": "server"},
        {"kind": "device"},
        {"kind": "elsewhere", "id": None},
    ],
)
def test_answer_that_nobody_gave_is_refused(bundle, sent):
    at = send(open_app(), answer={"answerId": "a1", **sent})
    assert not at.query_params
    assert len(at.warning) == 1
    assert data(at)["confirmed"] is None


def test_answer_of_another_session_is_refused(bundle):
    theirs = open_app()
    stored = session_answers.put(data(theirs)["token"], load().identify(colour("red")))
    at = send(open_app(), answer={"answerId": "a1", "kind": "server", "id": stored})
    assert not at.query_params


def test_hostile_answer_of_a_device_is_refused_in_words(bundle):
    hostile = from_device(bundle, labels=[[0, 2.0]], headline="<img src=x onerror=alert(1)>")
    at = send(open_app(), answer=hostile)
    assert not at.query_params
    assert "was refused" in at.warning[0].value
    assert "img" not in at.warning[0].value


def test_strangers_link_gives_the_component_its_answer_without_a_photo(bundle):
    token = answer_on_server(open_app()).query_params["answer"]
    at = open_app(answer=token)
    shared = data(at)["shared"]
    assert shared["token"] == token
    assert shared["note"].startswith("This app gave this answer.")
    assert shared["answer"]["headline"] == ["Very likely a ", {"label": "red"}]
    assert shared["answer"]["where"] == "server"
    assert shared["answer"]["milliseconds"] is None
    assert charts(at)


def test_strangers_link_to_a_devices_answer_says_so(bundle):
    token = send(open_app(), answer=from_device(bundle)).query_params["answer"]
    shared = data(open_app(answer=token))["shared"]
    assert "computed on the visitor's own device" in shared["note"]
    assert shared["answer"]["where"] == "device"
    assert shared["answer"]["prediction"]["graph"] == "small"


def test_damaged_link_is_refused(bundle):
    at = open_app(answer="tiny~000000000000~c~x~x~1-1")
    assert data(at)["shared"] is None
    assert "came from version 000000000000" in at.warning[0].value
    assert not charts(at)


def test_visitor_opens_an_answer_and_closes_it(bundle):
    at = answer_on_server(open_app())
    first = at.query_params["answer"]
    second = answer_on_server(at, "green", "a2").query_params["answer"]
    assert second != first
    assert send(at, opened=first).query_params["answer"] == first
    assert data(at)["open"] == first
    assert "answer" not in send(at, opened=None).query_params
    assert data(at)["open"] is None
    assert not charts(at)


@pytest.mark.parametrize("sent", [7, ["x"], {"a": 1}, ""])
def test_anything_else_opens_nothing(bundle, sent):
    assert "answer" not in send(open_app(), opened=sent).query_params


def test_chip_chooses_the_model(bundle, shelf):
    tiny(shelf, "other", title="Other")
    at = send(open_app(), model="other")
    assert at.selectbox(key="model").value == "other"
    assert data(at)["model"] == "other"
    for name in ("nowhere", 7, None, ["other"]):
        assert data(send(at, model=name))["model"] == "other"


def test_visitor_chooses_where_it_runs(bundle):
    at = send(open_app(), run="device")
    assert data(at)["run"] == at.query_params["run"] == "device"
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
        ({"LOUPE_RUN": "device", "LOUPE_DOWNLOADS": "false"}, {"run": "device"}, "server"),
    ],
)
def test_owner_and_address_say_where_it_runs(bundle, monkeypatch, environment, query, run):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    assert data(open_app(**query))["run"] == run


def test_session_ends_with_streamlits(bundle):
    at = open_app()
    token = data(at)["token"]
    assert session_answers.is_open(token)
    at.session_state["session"] = None
    import gc

    gc.collect()
    assert not session_answers.is_open(token)


@pytest.mark.parametrize(
    ("recent", "end"), [("session", "once you have closed this tab"), ("day", "after a day")]
)
def test_about_says_where_photos_are_kept(bundle, monkeypatch, recent, end):
    monkeypatch.setenv("LOUPE_RECENT", recent)
    settings.cache_clear()
    at = checked(open_app().switch_page("pages/about.py").run())
    text = " ".join(one.value for one in at.markdown)
    assert "The server saves no photo from the viewfinder." in text
    assert end in text
    # Streamlit's own widgets keep theirs on the server.
    assert "stay in the server's memory until your session ends" in text


def test_about_promises_nothing_of_a_device_without_routes(bundle, monkeypatch):
    monkeypatch.setattr(component, "has_routes", lambda: False)
    at = checked(open_app().switch_page("pages/about.py").run())
    text = " ".join(one.value for one in at.markdown)
    assert "viewfinder" not in text
    assert "device" not in text
    assert "stay in the server's memory until your session ends" in text
