"""The look of every page on a phone and a desktop, light and dark: width, contrast, names."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessible import READABLE, assert_own_parts_accessible
from tests.browser.conftest import HERE
from tests.browser.drive import (
    DESK,
    PHONE,
    PLAIN,
    attach,
    checked_page,
    give,
    headline,
    sample,
    wait_for_answer,
    wait_until_drawn,
)
from ui.navigation import PAGES

SCREENSHOTS = HERE / "screenshots"
NAMES = list(PAGES)
LOOKS = [f"{place}-{colours}" for place in ("phone", "desk") for colours in ("light", "dark")]
OVERFLOW_PX = "() => document.scrollingElement.scrollWidth - innerWidth"


@dataclass(frozen=True)
class Look:
    """A page on a phone or a desktop, light or dark."""

    page: Page
    name: str

    @property
    def phone(self):
        return self.name.startswith("phone")

    def check(self, screenshot):
        """Take a screenshot; assert that the page fits and can be read."""
        wait_until_drawn(self.page)
        self.page.screenshot(path=SCREENSHOTS / f"{self.name}-{screenshot}.png")
        assert self.page.evaluate(OVERFLOW_PX) <= 0
        assert_own_parts_accessible(self.page, rules=READABLE)


@contextmanager
def open_look(browser, url, name):
    """Open a blank page of the app as ``phone-light``, ``desk-dark`` and so on."""
    place, colours = name.split("-")
    options = {
        "base_url": url,
        "viewport": PHONE if place == "phone" else DESK,
        "color_scheme": colours,
        "has_touch": place == "phone",
        "device_scale_factor": 2 if place == "phone" else 1,
    }
    with checked_page(browser, options) as page:
        yield Look(page, name)


@pytest.fixture(scope="module", params=LOOKS)
def look(request, browser, server):
    with open_look(browser, server.url, request.param) as opened:
        yield opened


@pytest.mark.parametrize("name", NAMES)
def test_page_fits_and_is_readable_when_opened(look, name):
    look.page.goto("/" if name == NAMES[0] else f"/{name}")
    expect(
        look.page.get_by_test_id("stMain").locator(":is(h2, section):visible").first
    ).to_be_visible()
    look.check(name)
    assert_own_parts_accessible(look.page)


def test_answer_is_visible_without_scrolling(look):
    look.page.goto("/?run=server")
    give(look.page, sample("cat").read())
    wait_for_answer(look.page)
    wait_until_drawn(look.page)
    width, height = look.page.viewport_size.values()
    square = look.page.locator(".vf-square").bounding_box()
    assert square["height"] <= (0.45 if width < 900 else 0.7) * height
    words = headline(look.page).bounding_box()
    assert words["y"] + words["height"] < height
    look.check("identify-answer")


def test_error_is_readable(look):
    look.page.goto(PLAIN)
    attach(look.page, b"no photo at all", "letter.jpg")
    expect(look.page.get_by_test_id("stAlert")).to_be_visible()
    look.check("identify-refusal")
