"""Access to the viewfinder on Streamlit's page: keyboard, screen reader, large text, scripts."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.browser import drive
from tests.browser.accessible import SCREENSHOTS, assert_accessible, options_of
from tests.browser.conftest import SCRIPTS
from tests.model.tiny import colour
from tests.photos import encoded

GREEN = encoded(colour("green"), "PNG")
DIALOG = {"fromShadowDom": ["[data-testid=stBidiComponentIsolated]", ".vf-host", ".vf-dialog"]}
"""The open dialog, as axe names it."""
FOCUSED = """
() => {
  let element = document.activeElement;
  while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  const { top, bottom } = element.getBoundingClientRect();
  return {
    name: element.ariaLabel || element.innerText.trim(),
    isOurs: Boolean(element.closest(".vf")),
    hasRing: parseFloat(getComputedStyle(element).outlineWidth) >= 2
      && getComputedStyle(element).outlineStyle === "solid",
    isInView: top >= 0 && bottom <= innerHeight,
  };
}
"""
LARGE_TEXT = """
addEventListener("DOMContentLoaded", () => { document.documentElement.style.fontSize = "32px"; });
"""
# Controls and words that are cut at the sides; samples are a strip to scroll.
CUT = """
(root) => [...root.querySelectorAll("button:not(.vf-sample), select, h2, p")]
  .filter((element) => element.checkVisibility() && !element.closest(".vf-unseen"))
  .map((element) => [element, element.getBoundingClientRect()])
  .filter(([, { left, right }]) => left < 0 || right > innerWidth)
  .map(([element]) => element.outerHTML.slice(0, 100))
"""

Visit = Callable[..., Page]


@pytest.fixture
def visit(open_colours: Visit) -> Visit:
    """Open a page in a fresh profile, whose camera is allowed."""
    return partial(open_colours, permissions=["camera"])


def viewfinder(page: Page) -> Locator:
    return page.locator(".vf")


def answer(page: Page, address: str, photo: bytes = drive.RED) -> None:
    """Open an address and identify a photo there."""
    page.goto(address)
    drive.give(page, photo)
    expect(page.get_by_role("button", name="Why?")).to_be_visible()
    expect(drive.chart(page)).to_be_visible()
    drive.wait_until_drawn(page)


def screenshot(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"access-{name}.png")


def test_keyboard_alone_takes_a_photo_corrects_it_and_goes_back(visit: Visit) -> None:
    page = visit(viewport=drive.PHONE)
    page.goto("/?run=server")
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    drive.wait_until_drawn(page)
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)["name"] == "Skip to main content"
    names = walk(page)
    # The words are no stop as long as they fit, and the choice of a model comes after the page.
    assert names[:2] == ["Take a photo", "Choose a photo"]
    assert names[-1].startswith("On the server: it gets the ")
    page.locator(".vf-shutter").focus()
    page.keyboard.press("Enter")
    expect(drive.chart(page)).to_be_visible()
    drive.wait_until_drawn(page)
    assert page.evaluate(FOCUSED)["name"] == "Back to the camera"
    # The answer names two labels.
    assert walk(page)[:2] == ["Which?", "Share"]
    correct, share = (page.get_by_role("button", name=name) for name in ("Which?", "Share"))
    for button, opened in (
        (correct, page.get_by_role("heading", name="What is it?")),
        (share, page.get_by_role("dialog").get_by_role("button", name="Close")),
    ):
        button.focus()
        page.keyboard.press("Enter")
        expect(opened).to_be_focused()
        page.keyboard.press("Escape")
        expect(opened).to_have_count(0)
        expect(button).to_be_focused()
    expect(viewfinder(page)).to_have_attribute("data-screen", "answer")
    page.keyboard.press("Escape")
    expect(viewfinder(page)).to_have_attribute("data-screen", "camera")


def walk(page: Page) -> list[str]:
    """Press Tab up to the end of the viewfinder; return the names of its stops."""
    names: list[str] = []
    for _ in range(30):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop["isOurs"]:
            assert stop["name"]
            assert stop["hasRing"], stop
            assert stop["isInView"], stop
            names.append(stop["name"])
        elif names:
            break
    return names


def test_all_five_bars_fit_on_a_phone_and_a_recent_photo_keeps_the_focus(visit: Visit) -> None:
    page = visit(viewport=drive.PHONE)
    answer(page, "/?run=server")
    bars = viewfinder(page).get_by_role("table")
    expect(bars.get_by_role("row").first).to_be_visible()
    last = bars.locator("> *").last.bounding_box()
    shutter = page.locator(".vf-shutter").bounding_box()
    assert last
    assert shutter
    assert last["y"] + last["height"] <= shutter["y"]
    drive.give(page, GREEN)
    expect(drive.headline(page)).to_have_text(drive.IS_GREEN)
    recent = viewfinder(page).get_by_role("button", name="red", exact=True)
    recent.focus()
    page.keyboard.press("Enter")
    expect(drive.headline(page)).to_have_text(drive.IS_RED)
    expect(drive.headline(page)).to_be_in_viewport()
    expect(recent).to_be_focused()
    expect(recent).to_have_attribute("aria-current", "true")


def test_labels_keep_their_language_and_direction(visit: Visit) -> None:
    page = visit(viewport=drive.PHONE)
    answer(page, "/?run=server&model=scripts")
    label = drive.headline(page).locator("span")
    style = "(element) => [element.lang, element.dir, getComputedStyle(element).direction]"
    expect(label).to_have_text(SCRIPTS[0])
    assert label.evaluate(style) == ["ar", "auto", "rtl"]
    assert drive.headline(page).evaluate("(h2) => getComputedStyle(h2).direction") == "ltr"
    screenshot(page, "arabic-phone")
    drive.give(page, GREEN)
    expect(label).to_have_text(SCRIPTS[1])
    assert label.evaluate(style) == ["ar", "auto", "ltr"]
    names = viewfinder(page).get_by_role("rowheader").locator("span[dir=auto]")
    expect(names).to_have_count(3)
    assert viewfinder(page).evaluate(CUT) == []
    screenshot(page, "japanese-phone")
    page.set_viewport_size(drive.DESK)
    assert viewfinder(page).evaluate(CUT) == []
    screenshot(page, "japanese-desk")


@pytest.mark.quick
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(drive.PHONE, id="phone"),
        pytest.param(drive.DESK, id="desk", marks=pytest.mark.slow),
    ],
)
def test_text_of_double_size_loses_nothing(visit: Visit, size: ViewportSize) -> None:
    page = visit(LARGE_TEXT, permissions=[], viewport=size)
    page.goto("/?run=server")
    expect(drive.headline(page)).to_be_in_viewport(ratio=0.5)
    assert viewfinder(page).evaluate(CUT) == []
    answer(page, "/?run=server")
    assert viewfinder(page).evaluate(CUT) == []
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    expect(drive.headline(page)).to_be_in_viewport()
    expect(page.locator(".vf-shutter")).to_be_in_viewport(ratio=1)


def test_forced_colours_keep_corners_bars_and_the_ground_of_words(visit: Visit) -> None:
    page = visit(viewport=drive.PHONE, forced_colors="active")
    page.goto("/?run=server")
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    ground = "rgb(255, 255, 255)"
    expect(page.locator(".vf-words")).to_have_css("background-color", ground)
    answer(page, "/?run=server")
    expect(page.locator(".vf-bar").first).to_have_css("background-color", "rgb(0, 0, 0)")
    corner = page.locator(".vf-photo .vf-corner").first
    expect(corner).not_to_have_css("border-top-color", ground)
    screenshot(page, "forced-colours")


@pytest.mark.quick
@pytest.mark.parametrize("look", ["phone-light", pytest.param("desk-dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing_in_our_own_parts(visit: Visit, look: str) -> None:
    page = visit(**options_of(look))
    page.goto("/?run=server")
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    drive.wait_until_drawn(page)
    assert_accessible(page)
    answer(page, "/?run=server")
    assert_accessible(page)
    page.get_by_role("button", name=re.compile("Wrong|Which")).click()
    assert_accessible(page)
    page.get_by_role("button", name="Cancel").click()
    for name in ("Share", "Look it up"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        # Of what is behind a dialog, axe takes the wrong background.
        assert_accessible(page, DIALOG)
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
