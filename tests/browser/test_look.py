"""The look of every page on a phone and a desktop, light and dark: width, contrast, names."""

import pytest
from playwright.sync_api import expect

from tests.browser import drive
from tests.browser.accessible import LOOKS, check_looks
from ui.navigation import PAGES

NAMES = list(PAGES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_page_fits_and_is_readable_when_opened(page, name, scheme):
    page.set_viewport_size(drive.PHONE)
    page.emulate_media(color_scheme=scheme)
    page.goto("/" if name == NAMES[0] else f"/{name}")
    expect(page.locator("[data-testid=stMain] :is(h2, section):visible").first).to_be_visible()
    check_looks(page, name, (), [look for look in LOOKS if look.endswith(scheme)])


def test_text_of_charts_follows_the_theme(page):
    page.goto("/models")
    title = page.get_by_test_id("stVegaLiteChart").first.locator(".role-axis-title text")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        app = page.get_by_test_id("stApp")
        expect(app).to_have_css("color-scheme", scheme)
        expect(title).to_have_css("fill", app.evaluate("app => getComputedStyle(app).color"))


def test_answer_is_visible_without_scrolling(page):
    page.goto("/?run=server")
    drive.give(page, drive.sample("cat").read())
    drive.wait_for_answer(page)
    check_looks(page, "identify-answer")
    for size in (drive.PHONE, drive.DESK):
        drive.resize(page, **size)
        square = page.locator(".vf-square").bounding_box()
        assert square["height"] <= (0.45 if size == drive.PHONE else 0.7) * size["height"]
        words = drive.headline(page).bounding_box()
        assert words["y"] + words["height"] < size["height"]


def test_error_is_readable(page):
    page.goto(drive.PLAIN)
    drive.attach(page, b"no photo at all", "letter.jpg")
    expect(page.get_by_test_id("stAlert")).to_be_visible()
    check_looks(page, "identify-refusal")
