"""The viewfinder's part in Python: the component's data, and messages from it; what About says."""

from dataclasses import replace

import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df

from model import load
from model.answer.share_link import encode
from model.settings import settings
from tests.model.tiny import CALIBRATED, CARD, colour, tiny
from tests.pages.component import data, mounted, open_page
from tests.photos import encoded
from ui import component

TAUGHT = "taught-0123456789ab"


@pytest.fixture(autouse=True)
def routes(no_routes, monkeypatch):
    """The app with its HTTP routes, as ``st.App`` runs it."""
    monkeypatch.setattr(component, "has_routes", lambda: True)


@pytest.fixture
def bundle(models_dir, monkeypatch):
    """The model of colours, calibrated, as the app's default model."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    return tiny(models_dir, confidence=CALIBRATED, card=CARD)


def checked(at):
    assert not at.exception
    return at


def answer():
    """Return the token of the server's answer, as its route gives it to the component."""
    return encode(load().identify(encoded(colour("red"), "PNG")))


def device_answer(**changes):
    """Return the token of an answer that the component makes itself."""
    prediction = load().identify(encoded(colour("red"), "PNG"))
    return encode(replace(prediction, engine="wasm", graph="small", **changes))


def charts(at):
    return at.get("vega_lite_chart") or at.get("arrow_vega_lite_chart")


def test_first_screen_is_the_viewfinder(bundle):
    at = open_page()
    given, first = data(at), mounted(at)
    assert given["script"] == "/device/streamlit.mjs"
    # Instead of an empty line, the viewfinder says what the model knows.
    desk = "Hold something up, or drop a photo"
    words = {"headline": "Point your phone at something", "desk": desk, "line": ""}
    assert given["words"] == words
    assert (given["model"], given["run"], given["recent"]) == ("tiny", "auto", "session")
    assert given["models"][0]["described"]["version"] == bundle.version
    assert {model["name"]: model["downloads"] for model in given["models"]} == {
        "tiny": True,
        "clothing": True,
        "imagenet": True,
    }
    assert given["chart"] is None
    assert not at.file_uploader
    # Equal data keep the camera open, and so does the same place on the page.
    again = at.run()
    assert mounted(again) == first


def test_owner_chooses_words_downloads_and_where_photos_are_answered(bundle, monkeypatch):
    chosen = {"TITLE": "What colour?", "DESCRIPTION": "Any colour.", "RUN": "device"}
    for name, value in {**chosen, "DOWNLOADS": "false"}.items():
        monkeypatch.setenv(f"LOUPE_{name}", value)
    settings.cache_clear()
    given = data(open_page())
    words = {"headline": "What colour?", "desk": "What colour?", "line": "Any colour."}
    assert (given["words"], given["run"]) == (words, "device")
    # The models that ship are everyone's.
    assert {model["name"] for model in given["models"] if not model["downloads"]} == {"tiny"}


def test_data_does_not_depend_on_the_visit(bundle, models_dir):
    tiny(models_dir, "other", title="Other")
    queries = ({"model": "other", "run": "device"}, {"answer": answer()}, {"answer": "x"})
    first, *others = [data(open_page(**query)) for query in ({}, *queries)]
    for other in others:
        changed = {name for name in first if first[name] != other[name]}
        assert changed <= {"session", "chart"}


def test_chart_shows_the_answer_in_the_address_without_inference(bundle, monkeypatch):
    link = answer()

    def refuse(*_):
        raise AssertionError("A second inference.")

    monkeypatch.setattr("model.classifier.Classifier.identify_detailed", refuse)
    at = open_page(answer=link)
    assert data(at)["chart"] == link
    # The viewfinder draws the first labels, of which three have at least 0.1%.
    assert [title.value for title in at.subheader] == ["The next three labels"]
    (chart,) = charts(at)
    assert len(convert_arrow_bytes_to_pandas_df(chart.proto.data.data)) == 3
    # The slider counts both.
    at.slider(key="top").set_value(3).run()
    assert data(at)["rows"] == 3
    assert not charts(at)
    at.query_params.clear()
    assert data(at.run())["chart"] is None


def test_link_without_percentages_or_an_answer_has_no_chart(bundle):
    unknown = device_answer(in_distribution=False)
    for link in (unknown, "tiny~000000000000~c~x~x~1-1", "<img src=x onerror=alert(1)>"):
        at = open_page(answer=link)
        assert data(at)["chart"] == (link if link == unknown else None)
        assert not charts(at)


def test_title_names_the_model_in_the_address(bundle, models_dir, monkeypatch):
    tiny(models_dir, "other", title="Other")
    titles = []
    monkeypatch.setattr(
        "streamlit.set_page_config", lambda **options: titles.append(options.get("page_title"))
    )
    open_page(model="other")
    open_page(answer=encode(load("other").identify(encoded(colour("red"), "PNG"))))
    # The answer's model overrides the chosen one.
    open_page(model="other", answer=answer())
    assert [title for title in titles if title] == ["Other", "Other", "Colours"]


def test_no_app_model_is_marked_in_use_while_the_visitors_own_is(bundle):
    for name, label in ((TAUGHT, "Try this model"), (f"{TAUGHT}0", "Point it at something")):
        at = open_page(model=name)
        # Batches still get the app's own model.
        assert data(at)["model"] == "tiny"
        # The viewfinder says that a model is missing.
        assert not at.warning
        models = checked(at.switch_page("../pages/models.py").run())
        labels = {link.proto.label for link in models.get("page_link")}
        assert (label in labels, "Point it at something" in labels) == (True, name != TAUGHT)


def about(query=None, **environment):
    """Return the About page's text, and the ways of its pictures in their order."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(f"LOUPE_{name}", value)
        settings.cache_clear()
        at = open_page("about", **query or {})
    settings.cache_clear()
    names = [one.proto.component_name for one in at.get("bidi_component")]
    ways = [name.removeprefix("way-") for name in names if name.startswith("way-")]
    return " ".join(one.value for one in at.markdown), ways


def test_about_shows_every_way_a_photo_can_take_the_one_in_use_first(bundle):
    text, ways = about()
    assert ways == ["device", "pixels", "file"]
    assert "The photo stays." in text
    assert "Only the marked part is sent, scaled down: about 2\N{NO-BREAK SPACE}kB" in text
    assert about(DOWNLOADS="false")[1] == ["pixels", "file"]
    assert about(RUN="server")[1] == about({"run": "server"})[1] == ["pixels", "file", "device"]
    assert about({"answer": device_answer()}, RUN="server")[1] == ["device", "pixels", "file"]
    assert about({"answer": device_answer(), "way": "plain"}, RUN="server")[1][0] == "device"
    assert about({"answer": answer()})[1] == ["file", "device", "pixels"]


@pytest.mark.parametrize(
    ("environment", "said", "unsaid"),
    [
        ({}, "your next visit after you close this tab", "your first visit after a day"),
        ({"RECENT": "day"}, "your first visit after a day", "you close this tab"),
        ({}, "if you tick the box, also a small copy of the photo", "the server’s database"),
        ({}, "a hash of your key to *Undo* it for a day", "the server’s database"),
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
    text, ways = about()
    assert ways == ["file"]
    assert "viewfinder" not in text
    assert "The photo stays" not in text
    assert "**Your newest photo** what a smaller copy where the server’s memory" in text
