"""The look of every page on a phone and a desktop, light and dark: width, contrast, names."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HERE
from tests.browser.drive import (
    DESK,
    PHONE,
    UPLOAD,
    attach,
    checked_page,
    headline,
    photo,
    pick,
    wait_for_answer,
    wait_until_drawn,
)
from ui.navigation import PAGES

pytestmark = pytest.mark.slow

SCREENSHOTS = HERE / "screenshots"
NAMES = list(PAGES)
LOOKS = [f"{place}-{colours}" for place in ("phone", "desk") for colours in ("light", "dark")]
# Text whose contrast with its background is under 4.5 to 1, or 3 to 1 if it is large. Like WCAG, it
# leaves out disabled controls.
FAINT_TEXT = """
() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const over = (top, below) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((i) => top[i] * alpha + below[i] * (1 - alpha));
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let up = element; up; up = up.parentElement) {
      layers.push(parse(getComputedStyle(up).backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const opacity = (element) => {
    let share = 1;
    for (let up = element; up; up = up.parentElement) share *= getComputedStyle(up).opacity;
    return share;
  };
  const LEFT_OUT = '[disabled], [aria-disabled=true], [data-testid=stIconMaterial], title';
  const failures = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    const shown = {opacityProperty: true, visibilityProperty: true};
    if (!text || !element.checkVisibility(shown) || element.closest(LEFT_OUT)) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    const style = getComputedStyle(element);
    const drawn = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const below = behind(element);
    const [red, green, blue, alpha = 1] = parse(drawn);
    const seen = over([red, green, blue, alpha * opacity(element)], below);
    const [front, back] = [luminance(seen), luminance(below)];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) failures.push(`${ratio.toFixed(2)}: ${text.slice(0, 40)}`);
  }
  return [...new Set(failures)];
}
"""
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
        """Take a screenshot; assert that no element is too wide, nameless or too faint."""
        wait_until_drawn(self.page)
        self.page.screenshot(path=SCREENSHOTS / f"{self.name}-{screenshot}.png")
        assert self.page.evaluate(OVERFLOW_PX) <= 0
        # A button's text says what its picture shows.
        for image in self.page.locator("img:visible:not(button img)").all():
            assert image.get_attribute("alt"), image.evaluate("image => image.outerHTML")
        assert nameless_controls(self.page) == []
        assert self.page.evaluate(FAINT_TEXT) == []


def nameless_controls(page):
    """Return visible buttons and links without an accessible name."""
    return page.evaluate(
        """() => [...document.querySelectorAll('button, a, [role=button]')]
          .filter((element) => element.checkVisibility() && !element.closest('[aria-hidden=true]'))
          .filter((element) => !(element.ariaLabel || element.innerText || element.title
            || element.ariaLabelledByElements?.length
            || element.querySelector('img[alt]')).trim?.())
          .map((element) => element.outerHTML.slice(0, 300))"""
    )


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
    expect(look.page.get_by_test_id("stMain").locator("h2, section").first).to_be_visible()
    look.check(name)


def test_answer_is_visible_without_scrolling(look):
    look.page.goto("/?way=Sample")
    pick(look.page, "Cat")
    wait_for_answer(look.page)
    wait_until_drawn(look.page)
    height = look.page.viewport_size["height"]
    box = photo(look.page).bounding_box()
    assert box["height"] <= 0.45 * height
    words = headline(look.page).bounding_box()
    assert words["y"] + words["height"] < height
    look.check("identify-answer")


def test_error_is_readable(look):
    look.page.goto(UPLOAD)
    attach(look.page, b"no photo at all", "letter.jpg")
    expect(look.page.get_by_test_id("stAlert")).to_be_visible()
    look.check("identify-refusal")
