"""The look of every page on a phone and a desktop, light and dark: width, contrast, names."""

import pytest
from playwright.sync_api import expect

from tests.browser import drive
from tests.browser.accessible import LOOKS, open_look
from ui.navigation import PAGES

NAMES = list(PAGES)


@pytest.fixture(scope="module", params=LOOKS)
def look(request, browser, server):
    with open_look(browser, server.url, request.param) as opened:
        yield opened


@pytest.mark.parametrize("name", NAMES)
def test_page_fits_and_is_readable_when_opened(look, name):
    look.page.goto("/" if name == NAMES[0] else f"/{name}")
    main = look.page.get_by_test_id("stMain")
    expect(main.locator(":is(h2, section):visible").first).to_be_visible()
    look.check(name, rules=())


def test_answer_is_visible_without_scrolling(look):
    look.page.goto("/?run=server")
    drive.give(look.page, drive.sample("cat").read())
    drive.wait_for_answer(look.page)
    drive.wait_until_drawn(look.page)
    width, height = look.page.viewport_size.values()
    square = look.page.locator(".vf-square").bounding_box()
    assert square["height"] <= (0.45 if width < 900 else 0.7) * height
    words = drive.headline(look.page).bounding_box()
    assert words["y"] + words["height"] < height
    look.check("identify-answer")


def test_error_is_readable(look):
    look.page.goto(drive.PLAIN)
    drive.attach(look.page, b"no photo at all", "letter.jpg")
    expect(look.page.get_by_test_id("stAlert")).to_be_visible()
    look.check("identify-refusal")
