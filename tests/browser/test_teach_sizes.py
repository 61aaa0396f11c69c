"""*Teach* on phones: its text stays readable in the widest fonts, and its screens look right."""

import re

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.browser.accessible import check_look
from tests.browser.drive import DESK, NO_CAMERA, PHONE
from tests.browser.drive_teach import (
    COLD,
    ODD,
    WARM,
    Visit,
    choose,
    drop,
    expect_verdict,
    jpeg,
    pill,
    row,
    teach_by_files,
)

SHORT: ViewportSize = {"width": 375, "height": 667}
LONG = "the left one of my grandmother’s two blue and white teacups"


def ends(found: Locator) -> float:
    box = found.bounding_box()
    assert box
    return box["y"] + box["height"]


def assert_above_deck(page: Page, *found: Locator) -> None:
    deck = page.locator(".tv-deck").bounding_box()
    assert deck
    for one in found:
        assert ends(one) <= deck["y"], one
        assert one.evaluate("(element) => element.scrollWidth <= element.clientWidth + 1"), one


# Room for the header and for the bar of links, as the app has them.
APP = """
addEventListener("DOMContentLoaded", () => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`html:root { --header: 60px; --nav: 56px } body { padding-top: 60px }
    @media (min-width: 768px), (max-height: 499px) { html:root { --nav: 0px } }`);
  document.adoptedStyleSheets = [sheet];
});
"""
# What is fixed and not wholly in the window, or over the list, or cut.
FLAWS = """
() => {
  const find = (name) => document.querySelector(name);
  const [list, row] = [".tv-list", ".tv-label:has([aria-current=true])"].map(find);
  const [box, chosen] = [list, row].map((one) => one.getBoundingClientRect());
  // A target reaches 6 px into the gaps around it.
  const low = Math.min(innerHeight, find(".tv-main").getBoundingClientRect().bottom + 6);
  const flaws = chosen.top < box.top - 1 || chosen.bottom > box.bottom + 1 ? ["row"] : [];
  for (const name of [".tv-enough", ".tv-shutter", ".tv-foot > .vf-where"]) {
    const { left, top, right, bottom } = find(name).getBoundingClientRect();
    const isIn = left >= 0 && top >= 0 && right <= innerWidth && bottom <= low;
    if (!isIn) flaws.push(`${name} is outside`);
    const isOver = left < box.right - 1 && right > box.left + 1 && top < box.bottom - 1;
    if (isOver) flaws.push(`${name} is over the list`);
  }
  if (document.scrollingElement.scrollHeight > innerHeight) flaws.push("the page scrolls");
  for (const one of document.querySelectorAll(".tv-enough *, .tv-deck *, .tv-head > .tv-link")) {
    if (one.clientWidth && one.scrollWidth > one.clientWidth + 1) flaws.push(one.textContent);
  }
  return flaws;
}
"""
FRAMES = [(390, 844), (390, 664), (320, 568), (844, 390), (667, 375), (568, 320), (640, 400)]


def test_verdict_shutter_and_last_line_are_fixed_at_every_size(open_teach: Visit) -> None:
    page = open_teach(APP)
    names = {"t-shirt": WARM[:1], "pants": WARM[1:2], "قبعة صيفية": COLD[:1], "hat": COLD[1:2]}
    teach_by_files(page, **names)
    expect_verdict(page, "Can’t know yet.")
    expect(pill(page)).to_be_visible()

    def check(state: str) -> None:
        for width, height in FRAMES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(300)
            assert page.evaluate(FLAWS) == [], (state, width, height)
            # What is filmed is in sight, too.
            expect(page.locator(".vf-square")).to_be_in_viewport(ratio=1)

    check("idle")
    row(page, "قبعة صيفية").locator(".tv-choose").click()
    page.locator(".tv-shutter").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Turn it, come closer. Press to stop.")).to_be_visible()
    expect(page.get_by_role("button", name="New label")).to_be_hidden()
    check("recording")
    page.keyboard.press("Enter")
    # The browser's font at 200%.
    fonts = {"fontSizes": {"standard": 32}}
    page.context.new_cdp_session(page).send("Page.setFontSizes", fonts)
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(300)
    assert page.evaluate(FLAWS) == []


def test_long_label_and_the_reason_for_refusing_one_are_in_sight(open_teach: Visit) -> None:
    page = open_teach(NO_CAMERA, viewport=SHORT)
    hint = page.locator(".tv-hint")
    expect(hint).to_contain_text("this device has no camera")
    assert hint.evaluate("(element) => element.scrollHeight <= element.clientHeight")
    teach_by_files(page, **{LONG: WARM[:1], "cold": COLD[:1]})
    expect_verdict(page, "Can’t know yet.")
    expect(row(page, "Cold").locator("small")).to_have_text("1 photo")
    words = page.locator(".tv-enough")
    assert_above_deck(page, words.locator("h2"), words.locator(".vf-sub"))
    drop(page, {f"label {at}": {"1.jpg": WARM[0]} for at in range(18)})
    expect(page.get_by_role("list", name="Labels").get_by_role("listitem")).to_have_count(20)
    expect(page.get_by_role("heading", name="Adding photos")).to_have_count(0)
    page.get_by_role("button", name="New label").click()
    expect(page.get_by_text("20 labels are the most.")).to_be_in_viewport()


SIZES = {"phone": PHONE, "short": SHORT, "desk": DESK}
LOOKS = ["phone-light", "phone-dark", "short-light", "desk-dark"]


@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_fits_and_is_accessible(open_teach: Visit, look: str) -> None:
    size, colours = look.split("-")
    page = open_teach(viewport=SIZES[size], color_scheme=colours)
    expect(page.locator(".tv-shutter")).to_be_visible()
    page.wait_for_timeout(500)
    check_look(page, "teach-empty")
    # Each label has two photo groups of similar colours.
    red, orange = jpeg(250, 20, 20), jpeg(250, 110, 20)
    blue, azure = jpeg(20, 20, 250), jpeg(20, 110, 250)
    teach_by_files(page, warm=[red, orange] * 6, cold=[blue, azure] * 6)
    expect(pill(page)).to_be_visible()
    expect_verdict(page, "Yes.")
    check_look(page, "teach-enough")
    row(page, "Warm").locator(".tv-choose").click()
    page.locator(".tv-shutter").hover()
    page.mouse.down()
    expect(page.get_by_role("heading", name=re.compile("^Recording warm"))).to_be_visible()
    page.wait_for_timeout(900)
    check_look(page, "teach-recording")
    page.mouse.up()
    # Half of the photos labelled warm show cold things.
    choose(page, *((f"odd-{at}.jpg", photo) for at, photo in enumerate(ODD)))
    expect(page.get_by_role("button", name=re.compile("^They’re"))).to_be_visible()
    if size != "desk":
        expect(page.get_by_role("button", name="Show both labels")).to_be_visible()
        # Neither below the deck nor shortened.
        acts = page.locator(".tv-acts button")
        assert_above_deck(page, *acts.all(), *acts.locator("> span").all())
    check_look(page, "teach-confused")
    page.get_by_role("button", name=re.compile("^Photos of warm")).click()
    expect(page.get_by_role("button", name=re.compile("^Photo ")).first).to_be_visible()
    check_look(page, "teach-photos")
    page.get_by_role("button", name="Back").click()
    page.get_by_role("button", name="Use it").first.click()
    expect(page.get_by_role("heading", name="How often it is right")).to_be_visible()
    check_look(page, "teach-done")
