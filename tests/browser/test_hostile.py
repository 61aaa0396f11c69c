"""Hostile labels, model texts and file names in the browser: they stay text."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.drive import answered, attach, headline, settled
from tests.model.tiny import COLOURS, colour
from tests.pages.hostile import LABELS, shelve
from tests.photos import encoded
from ui.phrasing import shorten

pytestmark = pytest.mark.slow

# Of formatting: emphasis inside emphasis, formulas, links, colours and icons.
MADE = "em em, strong, code, del, .katex, a, [data-testid=stIconMaterial], .stMarkdownColoredText"


@pytest.fixture
def hostile(server):
    with shelve(server.data / "models") as names:
        yield names


@pytest.mark.parametrize("place", range(len(LABELS) // len(COLOURS)))
def test_hostile_labels_stay_text(page, hostile, place):
    page.goto(f"/?model={hostile[place]}")
    leaks = []
    for name, label in zip(COLOURS, LABELS[place * 6 :], strict=False):
        before = page.url
        attach(page, encoded(colour(name), "PNG"), f"{label[:60].replace('/', ' ')}.png")
        page.wait_for_function("before => location.href !== before", arg=before)
        settled(page)
        answered(page)
        said = visible(headline(page).inner_text())
        if visible(shorten(label)) not in said or headline(page).locator(MADE).count():
            leaks.append((label, said))
        if attacked(page):
            leaks.append((label, "an element"))
    page.get_by_role("button", name="Why?").click()
    expect(page.get_by_role("dialog").locator("img")).to_be_visible()
    if page.get_by_role("dialog").locator(MADE).count() > 0:
        leaks.append("why")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Look it up").click()
    body = page.get_by_test_id("stPopoverBody")
    expect(body.get_by_role("link")).to_have_count(3)
    for link in body.get_by_role("link").all():
        assert re.match(
            "https://(en.wikipedia|commons.wikimedia|duckduckgo)", link.get_attribute("href")
        )
    page.keyboard.press("Escape")
    visit = page.get_by_test_id("stMain").get_by_test_id("stBaseButton-secondary")
    leaks += [
        ("button", button.inner_text())
        for button in visit.all()
        if button.locator("strong, code, del, .katex, a, img").count()
    ]
    assert not leaks
    page.goto("/models")
    expect(page.get_by_text("Not calibrated").first).to_be_visible()
    settled(page)
    assert not attacked(page)


def visible(text):
    """Text without characters that are not seen: joiners, and what turns text around."""
    return re.sub("[\u2060\u202a-\u202e]", "", text).strip()


def attacked(page):
    """What a label may have put into the page."""
    return page.evaluate(
        """() => [...document.querySelectorAll(
          'img[src="x"], a[href^="javascript"], a[href*="evil.example"], [onerror]')]
          .map((one) => one.outerHTML)"""
    )
