"""Links to a model or an engine that the app doesn't offer, and the title that heads the page."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.drive import (
    UPLOAD,
    attach,
    checked_page,
    choose_in_menu,
    go,
    wait_until_drawn,
)
from tests.browser.server import serving
from tests.model.tiny import colour, tiny
from tests.photos import encoded

pytestmark = pytest.mark.slow

MEMORY = (
    "This app can't run the learner engine: it needs 1,024 MB of memory and this app may use "
    "690 MB."
)


@pytest.fixture(scope="module")
def small(chromium, tmp_path_factory):
    """Start the app in little memory, with a model of its own."""
    folder = tmp_path_factory.mktemp("small")
    tiny(folder / "data" / "models", "mine", title="Mine")
    with serving(folder, LOUPE_MEMORY_MB="690") as server:
        yield server


@pytest.fixture
def page(browser, small):
    with checked_page(browser, {"base_url": small.url}) as page:
        yield page
    assert not small.tracebacks()


def alerts(page):
    return page.get_by_test_id("stMain").get_by_test_id("stAlert")


@pytest.mark.torch
@pytest.mark.parametrize("path", ["/", "/batch"])
def test_engine_without_enough_memory_is_refused_in_words(page, path):
    page.goto(f"{path}?model=imagenet&engine=learner")
    expect(alerts(page)).to_have_text(re.compile(re.escape(MEMORY)))
    wait_until_drawn(page)
    # Another run of the script, whose address no longer names it.
    expect(page).not_to_have_url(re.compile("engine="))
    expect(alerts(page)).to_have_text(re.compile(re.escape(MEMORY)))


@pytest.mark.parametrize("path", ["/", "/batch"])
def test_unknown_names_are_refused_until_the_visitor_chooses(page, path):
    page.goto(f"{path}?model=no*such*&engine=foo")
    expect(alerts(page)).to_have_text(
        [
            re.compile("This app has no model named “no\\*such\\*”; showing “Mine”."),
            re.compile("This app has no engine named “foo”."),
        ]
    )
    choose_in_menu(page, "imagenet")
    expect(alerts(page)).to_have_count(0)
    expect(page).to_have_url(re.compile("model=imagenet"))


def test_tab_and_heading_name_the_chosen_model(page):
    page.goto(f"{UPLOAD}&model=clothing")
    expect(page).to_have_title("Ten kinds of clothes")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ten kinds of clothes")
    choose_in_menu(page, "mine")
    expect(page.get_by_role("heading", level=1)).to_have_text("Mine")
    expect(page).to_have_title("Mine")


def test_tab_and_heading_follow_when_a_model_is_skipped(browser, tmp_path):
    shelf = tmp_path / "data" / "models"
    tiny(shelf, "works", title="Works")
    graph = tiny(shelf, "broken", title="Broken").folder / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    # A host without st.App loads nothing before the first photo.
    with (
        serving(tmp_path, plain=True) as plain,
        checked_page(browser, {"base_url": plain.url}) as page,
    ):
        page.goto("/")
        expect(page).to_have_title("Broken")
        expect(page.get_by_role("heading", level=1)).to_have_text("Broken")
        attach(page, encoded(colour("red"), "PNG"), "red.png")
        expect(page).to_have_url(re.compile("answer=works~"))
        go(page, "Batch")
        expect(page).to_have_title("Batch · Works")
        page.goto("/")
        expect(page).to_have_title("Works")
        expect(page.get_by_role("heading", level=1)).to_have_text("Works")
