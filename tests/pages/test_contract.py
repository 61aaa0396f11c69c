"""The contract of every page, without a browser: content, escaping, errors as warnings."""

import re

import pytest

from model import LoupeError
from model.bundle import BUILTIN_DIR, get_bundle
from model.photo import read
from model.settings import ROOT, settings
from model.text import clean
from tests.model.tiny import COLOURS, colour
from tests.pages.component import open_page
from tests.pages.hostile import LABELS, publish_hostile
from tests.photos import drawn, encoded
from ui.navigation import PAGES

NAMES = list(PAGES)


def send(at, photo, name="photo.jpg"):
    at.file_uploader[0].set_value((name, photo, "image/jpeg")).run()
    assert not at.exception
    return at


@pytest.fixture
def hostile(models_dir):
    with publish_hostile(models_dir) as names:
        yield names


@pytest.mark.parametrize("name", NAMES)
def test_every_page_shows_content_even_with_hostile_and_broken_models(models_dir, name):
    assert {path.stem for path in (ROOT / "pages").glob("*.py")} == set(NAMES)
    with publish_hostile(models_dir):
        at = open_page(name)
    assert at.title or at.header
    assert not at.error


def test_broken_model_is_shown_with_a_warning(hostile):
    at = open_page("models")
    refused = [one.value for one in at.warning if "bundle-damaged" in one.value]
    assert len(refused) == 1
    # The log and the command line name the file, a page doesn't.
    assert "/" not in refused[0]
    assert "broken" in [subheader.value for subheader in at.subheader]
    at = open_page()
    names = [*hostile, *(path.name for path in BUILTIN_DIR.iterdir())]
    titles = {name: clean(get_bundle(name).manifest.title) for name in names}
    # Two of these models have one title.
    first, *others = hostile
    assert titles[first] == titles[others[-1]]
    titles |= {name: f"{titles[name]} ({name})" for name in (first, others[-1])}
    assert set(at.selectbox(key="model").options) == set(titles.values())


@pytest.mark.parametrize("place", [0, 1])
def test_hostile_labels_are_escaped_in_every_sentence(hostile, place):
    at = open_page()
    at.selectbox(key="model").set_value(hostile[place]).run()
    for name, label in zip(COLOURS, LABELS[place * 6 :], strict=False):
        send(at, encoded(colour(name), "PNG"))
        assert at.header[0].value.startswith("My best guess: ")
        written = [one.value for one in [*at.header, *at.caption, *at.markdown]]
        for mark in ("<img", "**bold", "$x", ":smile", "](", "~~z", "`code", "://evil"):
            bare = re.compile(r"(?<!\\)" + re.escape(mark))
            assert not [text for text in written if bare.search(text)], label


def test_photo_that_cannot_be_read_is_a_warning():
    damaged = encoded(drawn(320, 240))[:3000]
    with pytest.raises(LoupeError) as caught:
        read(damaged)
    at = send(open_page(), damaged)
    assert [warning.value for warning in at.warning] == [str(caught.value)]
    # The next photo clears it.
    send(at, encoded(drawn(320, 240)))
    assert not at.warning
    assert at.header[0].value.startswith("My best guess: ")


@pytest.mark.parametrize("name", ["gone", "broken"])
def test_unusable_default_model_is_a_warning(hostile, monkeypatch, name):
    monkeypatch.setenv("LOUPE_MODEL", name)
    settings.cache_clear()
    at = open_page()
    assert not at.exception
    assert [one for one in at.warning if f"*{name}*" in one.value]
    send(at, encoded(drawn(320, 240)))


@pytest.mark.parametrize("page", ["about", "batch"])
def test_page_names_the_host_that_photos_go_to(monkeypatch, page):
    def words(**chosen):
        at = open_page(page)
        for key, value in chosen.items():
            at.session_state[key] = value
        at.run()
        return " ".join(item.value for item in [*at.markdown, *at.caption])

    assert "passes" not in words()
    with monkeypatch.context() as patch:
        patch.setenv("LOUPE_API", "https://api.example.org/loupe")
        settings.cache_clear()
        assert re.search(r"server passes the files? on to \*\*api", words())
        assert "passes" not in words(engine="learner"), "that engine runs in this app"
    settings.cache_clear()
