"""Hostile labels, model texts and file names in the browser: they stay text."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.drive import give, headline, wait_for_answer, wait_until_drawn
from tests.model.tiny import COLOURS, colour
from tests.pages.hostile import LABELS, publish_hostile
from tests.photos import encoded
from ui.phrasing import shorten

# Elements of formatting: emphasis inside emphasis, formulas, links, colours and icons.
FORMATTING = (
    "em em, strong, code, del, .katex, a, [data-testid=stIconMaterial], .stMarkdownColoredText"
)


@pytest.fixture
def hostile(server):
    with publish_hostile(server.data / "models") as names:
        yield names


@pytest.mark.parametrize("place", range(len(LABELS) // len(COLOURS)))
def test_hostile_labels_stay_text(page, hostile, place):
    page.goto(f"/?run=server&model={hostile[place]}")
    leaks = []
    for name, label in zip(COLOURS, LABELS[place * 6 :], strict=False):
        before = page.url
        give(page, encoded(colour(name), "PNG"), f"{label[:60].replace('/', ' ')}.png")
        page.wait_for_function("before => location.href !== before", arg=before)
        wait_until_drawn(page)
        wait_for_answer(page)
        shown = visible(headline(page).inner_text())
        if visible(shorten(label)) not in shown or headline(page).locator(FORMATTING).count():
            leaks.append((label, shown))
        if injected_elements(page):
            leaks.append((label, "injected an element"))
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).to_be_visible()
    page.get_by_role("button", name="Look it up").click()
    links = page.get_by_role("dialog").get_by_role("link")
    expect(links).to_have_count(3)
    sites = re.compile("https://(en.wikipedia|commons.wikimedia|duckduckgo)")
    for link in links.all():
        expect(link).to_have_attribute("href", sites)
    page.keyboard.press("Escape")
    expect(page.locator(".vf-recent").locator("strong, code, del, .katex, a")).to_have_count(0)
    assert not leaks
    # As a stranger.
    page.get_by_role("button", name="Clear recent photos").click()
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(headline(page)).to_contain_text("Loupe said")
    assert not injected_elements(page)
    page.goto("/models")
    expect(page.get_by_text("percentages aren’t calibrated").first).to_be_visible()
    wait_until_drawn(page)
    assert not injected_elements(page)


def visible(text):
    """Return a text without joiners and characters that set its direction."""
    return re.sub("[\u2060\u202a-\u202e]", "", text).strip()


def injected_elements(page):
    """Return elements that a label may have injected into the page."""
    return page.evaluate(
        """() => [...document.querySelectorAll(
          'img[src="x"], a[href^="javascript"], a[href*="evil.example"], [onerror]')]
          .map((element) => element.outerHTML)"""
    )
