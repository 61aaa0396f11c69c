"""The links to the pages: a bar on phones, names in the header elsewhere."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.drive import (
    DESK,
    PHONE,
    checked_page,
    give,
    headline,
    sample,
    source_line,
    wait_for_answer,
)

SIDEWAYS = {"width": 667, "height": 375}

pytestmark = pytest.mark.quick


def pages(page: Page):
    return page.get_by_role("navigation", name="Pages")


@pytest.fixture(
    params=[
        pytest.param(PHONE, id="phone"),
        pytest.param(DESK, id="desk", marks=pytest.mark.slow),
        pytest.param(SIDEWAYS, id="sideways", marks=pytest.mark.slow),
    ]
)
def view(request, browser, server):
    with checked_page(browser, {"base_url": server.url, "viewport": request.param}) as page:
        page.goto("/?run=server")
        yield page


def test_links_cover_nothing_and_name_the_page_that_is_open(view):
    source_line(view).click(trial=True)
    bar = pages(view).bounding_box()
    line = source_line(view).bounding_box()
    if view.viewport_size == PHONE:
        assert line["y"] + line["height"] <= bar["y"]
        assert bar["y"] + bar["height"] == PHONE["height"]
    else:
        assert bar["y"] + bar["height"] <= 60
    for link in pages(view).get_by_role("link").all():
        if link.is_visible():
            box = link.bounding_box()
            assert min(box["width"], box["height"]) >= 44
    expect(pages(view).locator("[aria-current=page]")).to_have_text("Identify")
    pages(view).get_by_role("link", name="More").click()
    expect(headline(view)).to_have_text("More")
    expect(view.get_by_role("heading", level=1)).to_have_text(re.compile("^More · "))
    expect(pages(view).locator("[aria-current=page]")).to_have_text("More")
    # Streamlit's own links change the address as well.
    view.get_by_test_id("stMain").get_by_role("link", name="What each model knows").click()
    expect(headline(view)).to_have_text("Models")
    expect(pages(view).locator("[aria-current=page]")).to_have_count(0)


def test_photo_stays_on_the_way_to_another_page_and_back(view):
    give(view, sample("coffee").read())
    words = wait_for_answer(view, "espresso", "cup")
    view.evaluate("document.isSame = true")
    pages(view).get_by_role("link", name="Teach").click()
    expect(view).to_have_url(f"{view.evaluate('location.origin')}/teach")
    view.go_back()
    expect(headline(view)).to_have_text(words)
    pages(view).get_by_role("link", name="More").click()
    expect(headline(view)).to_have_text("More")
    pages(view).get_by_role("link", name="Identify").click()
    expect(headline(view)).to_have_text(words)
    assert view.evaluate("document.isSame"), "The page was loaded again."


def test_without_a_network_links_lead_to_the_pages_that_need_none(view):
    source_line(view).click(trial=True)
    keep = "caches.open('x').then((kept) => kept.put('device/state.json', new Response('{}')))"
    view.evaluate(keep)
    view.context.set_offline(True)
    with view.expect_request("**/device/teach.html"):
        pages(view).get_by_role("link", name="Teach").click()
    view.context.set_offline(False)
