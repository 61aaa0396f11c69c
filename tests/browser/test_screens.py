"""Sizes and places of the viewfinder's screens on Streamlit's page, measured in Chromium."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import drive
from tests.browser.accessible import READABLE, assert_accessible
from tests.browser.conftest import SCRIPTS
from tests.browser.server import Server
from tests.model.tiny import colour
from tests.photos import encoded

# Text that doesn't fit its box, and words or controls that are partly outside the screen.
CUT = """
(root) => [...root.querySelectorAll("h2, p, button:not(.vf-recent), .vf-row, .vf-axis, select")]
  .filter((element) => element.checkVisibility() && !element.closest(".vf-unseen, .vf-visit"))
  .filter((element) => {
    const box = element.getBoundingClientRect();
    const words = element.closest(".vf-words")?.getBoundingClientRect();
    const isCut = words && box.top < words.bottom - 1 && box.bottom > words.bottom + 1;
    return isCut || box.left < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1
      || (element.matches("h2, p, button") && element.scrollWidth > element.clientWidth + 1);
  })
  .map((element) => element.outerHTML.slice(0, 120))
"""
BOXES = """
(root) => Object.fromEntries([".vf-square", ".vf-headline", ".vf-where"].map((name) => {
  const { x, y, width, height } = root.querySelector(name).getBoundingClientRect();
  // How wide the last line is depends on its words, and those on the connection.
  const box = name === ".vf-where" ? [y, height] : [x, y, width, height];
  return [name, box.map((value) => Math.round(value))];
}))
"""
ASKS_FIRST = """
navigator.permissions.query = async () => ({state: "prompt", addEventListener() {}});
"""
WIDE, TALL = (
    encoded(colour(name).resize(size), "JPEG")
    for name, size in (("red", (900, 600)), ("green", (500, 900)))
)
PHONES = [(390, 844), (375, 667), (320, 568), (430, 932)]

Visit = Callable[..., Page]


@pytest.fixture
def visit(open_colours: Visit) -> Visit:
    """Open Identify in a fresh profile on a phone, where boxes are measured at rest."""

    def come(*scripts: str, path: str = "/?run=server") -> Page:
        page = open_colours(*scripts, path=path, viewport=drive.PHONE, reduced_motion="reduce")
        expect(page.locator(".vf-headline")).to_be_visible()
        return page

    return come


def test_shared_answer_fits_and_leads_to_the_camera(
    open_colours: Visit, colours_server: Server
) -> None:
    version = (colours_server.data / "models/scripts/current").read_text().strip()
    page = open_colours(path=f"/?answer=scripts~{version}~ws~y~1~0-971_1-20", viewport=drive.PHONE)
    landing = page.locator(".vf-landing")
    words = landing.get_by_role("heading")
    expect(words).to_have_text(f"Somebody’s phone said {SCRIPTS[0]} 97%")
    expect(words.locator("[dir=auto][lang=ar]")).to_have_text(SCRIPTS[0])
    for size in (*PHONES, (568, 320), (1280, 800)):
        drive.resize(page, *size)
        assert landing.evaluate(CUT) == [], size
        line, pages = (page.locator(name).bounding_box() for name in (".vf-proof", "#pages"))
        assert pages["y"] == 0 or line["y"] + line["height"] <= pages["y"], size
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        page.reload()
        expect(words).to_be_visible()
        drive.wait_until_drawn(page)
        assert_accessible(page, rules=READABLE)
    page.get_by_role("button", name="Try it yourself").click()
    expect(page.locator(".vf[data-screen=camera]")).to_be_visible()
    expect(page).not_to_have_url(re.compile("answer="))
    page.go_back()
    expect(words).to_be_visible()
    page.get_by_role("link", name="What does it know?").click()
    expect(page).to_have_url(re.compile("/models$"))


def test_camera_opens_in_the_empty_square(visit: Visit) -> None:
    asking, without, allowed = visit(ASKS_FIRST), visit(drive.NO_CAMERA), visit()
    expect(asking.get_by_role("button", name="Open the camera")).to_be_visible()
    hint = without.locator(".vf-hint")
    expect(hint).to_contain_text("this device has no camera")
    expect(without.locator(".vf-main:visible")).to_have_text("Choose a photo")
    expect(allowed.get_by_role("button", name="Take a photo")).to_be_visible()
    empty, camera = (
        page.locator(f".vf[data-screen={screen}]")
        for page, screen in ((asking, "empty"), (allowed, "camera"))
    )
    for size in PHONES:
        for page in (asking, without, allowed):
            drive.resize(page, *size)
        places = empty.evaluate(BOXES)
        assert places[".vf-square"][1] == 64
        if size == (390, 844):
            assert places[".vf-square"] == [27, 64, 336, 336]
            assert places[".vf-headline"][1] == 416
        assert hint.evaluate("(hint) => hint.scrollHeight <= hint.clientHeight")
        assert without.locator(".vf").evaluate(BOXES) == places
        assert camera.evaluate(BOXES) == places
        assert empty.evaluate(CUT) == camera.evaluate(CUT) == []
    drive.resize(without, 1280, 800)
    expect(without.get_by_text("Drop a photo here")).to_be_visible()
    over = "new DragEvent('dragover', {dataTransfer: new DataTransfer()})"
    without.evaluate(f"document.dispatchEvent({over})")
    expect(without.get_by_text("Let go: this photo is next")).to_be_visible()
    assert without.locator(".vf").evaluate(CUT) == []


def test_sentence_about_a_missing_model_stands_below_the_choice_of_models(visit: Visit) -> None:
    page = visit(path="/?run=server&model=nonsense")
    notice = page.locator(".vf-notice")
    expect(notice).to_have_text("This app offers no model named “nonsense”. Another one answers.")
    drive.wait_until_drawn(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    for size in (*PHONES, (844, 390), (1280, 800)):
        drive.resize(page, *size)
        # The notice is above the viewfinder, or beside it.
        parts = [page.locator(name) for name in (".vf-chip", ".vf-notice", ".vf-headline")]
        chip, said, words = boxes(*parts)
        assert chip["y"] + chip["height"] <= said["y"] < said["y"] + said["height"] <= words["y"]
        [square] = boxes(page.locator(".vf-square"))
        assert square["x"] + square["width"] <= said["x"] or said["y"] < square["y"], size
    page.get_by_role("combobox", name="Model").select_option("Wide")
    expect(notice).to_be_empty()


SIDES = {
    (390, 844): 332,
    (430, 932): 398,
    (375, 667): 203,
    (320, 568): 152,
    (844, 390): 314,
    (1280, 800): 528,
}
"""The square's side on screens of these sizes."""


def test_answer_is_as_large_as_the_square_and_a_tap_shows_the_photo(visit: Visit) -> None:
    page = visit()
    for size, side in SIDES.items():
        drive.resize(page, *size)
        for photo, words, long, ratio in (
            (WIDE, drive.IS_RED, "width", 1.5),
            (TALL, drive.IS_GREEN, "height", 1.8),
        ):
            drive.give(page, photo)
            expect(drive.headline(page)).to_have_text(words)
            expect(page.get_by_role("button", name="Why?")).to_be_visible()
            check_answer(page, side, long, ratio)


def check_answer(page: Page, side: int, long: str, ratio: float) -> None:
    """Check the answer's place on the screen, and that of the whole photo after a tap."""
    image, corners = page.locator(".vf-image"), page.locator(".vf-photo .vf-corners")
    whole = page.get_by_role("button", name="Show the whole photo")
    # Another photo begins without its surroundings.
    expect(whole).to_have_attribute("aria-pressed", "false")
    seen, drawn = boxes(corners, image)
    assert seen["width"] == pytest.approx(side, abs=1)
    assert seen["height"] == pytest.approx(side, abs=1)
    assert drawn[long] == pytest.approx(side * ratio, abs=1)
    assert page.locator(".vf").evaluate(CUT) == []
    for name in (".vf-shutter", ".vf-where"):
        expect(page.locator(name)).to_be_in_viewport(ratio=1)
    page.locator(".vf-picture").click(position={"x": 20, "y": 20})
    expect(whole).to_have_attribute("aria-pressed", "true")
    part, all_, window = boxes(corners, image, page.locator(".vf-picture"))
    # The same marks: what the model's recipe takes, in the middle.
    for length, start in (("width", "x"), ("height", "y")):
        assert all_[start] >= window[start]
        assert all_[start] + all_[length] <= window[start] + window[length] + 1
        assert part[length] / all_[length] == pytest.approx(seen[length] / drawn[length], 0.01)
        middle = all_[start] + all_[length] / 2
        assert part[start] + part[length] / 2 == pytest.approx(middle, abs=1)
    whole.click()
    expect(whole).to_have_attribute("aria-pressed", "false")
    again, _ = boxes(corners, image)
    assert again == pytest.approx(seen, abs=1)


def boxes(*locators: Any) -> tuple[dict[str, float], ...]:
    return tuple(
        {name: round(value, 1) for name, value in locator.bounding_box().items()}
        for locator in locators
    )


@pytest.mark.quick
def test_screen_readers_hear_what_is_on_the_screen(visit: Visit) -> None:
    page = visit()
    spoken = page.locator(".vf-words [aria-live=polite]")
    expect(spoken).to_have_text(re.compile("^Point your phone at something. This model knows six"))
    drive.give(page, WIDE)
    expect(spoken).to_have_text(re.compile("^Very likely a red"))
    drive.give(page, TALL)
    expect(spoken).to_have_text(re.compile("^Very likely a green"))
    drive.give(page, b"no photo at all")
    expect(page.get_by_role("alert")).not_to_be_empty()
    # An alert speaks for itself.
    expect(spoken).to_be_empty()
    page.get_by_role("button", name="red", exact=True).click()
    expect(spoken).to_have_text(re.compile("^Very likely a red"))
    page.get_by_role("button", name="Why?").click()
    expect(spoken).to_have_text(re.compile("^Very likely a red.*Light parts decided it"))
    page.get_by_role("button", name="Back to the camera").click()
    expect(spoken).to_have_text(re.compile("^Point your phone at something"))


def test_why_reports_progress_meaning_and_failure(visit: Visit) -> None:
    done = "onProgress?.(done);"
    pause = f"{done} await new Promise((resolve) => setTimeout(resolve, 60));"

    def slow_down(route: Route) -> None:
        body = route.fetch().text()
        assert done in body
        route.fulfill(body=body.replace(done, pause), content_type="text/javascript")

    page = visit(path="/?run=device")
    page.context.route("**/occlusion.mjs", slow_down)
    page.reload()
    drive.give(page, WIDE)
    words, why = page.locator(".vf-words"), page.get_by_role("button", name="Why?")
    expect(drive.headline(page)).to_have_text(drive.IS_RED)
    record = page.locator(".vf-details > p").first
    expect(record).to_be_visible()
    why.click()
    progress = r"Covering one part of the photo at a time: \d+ of at most 40\."
    expect(words).to_contain_text(re.compile(progress))
    expect(record).to_be_hidden()
    expect(words).to_contain_text(
        "Light parts decided it: cover them and the model is less sure of red."
    )
    why.click()
    expect(record).to_be_visible()
    page = visit()
    page.route(
        "**/identify?*explain=*", lambda route: route.fulfill(status=500, json={"code": "broken"})
    )
    drive.give(page, WIDE)
    page.get_by_role("button", name="Why?").click()
    expect(page.get_by_role("alert")).to_have_text("Why? couldn’t be worked out. Try again.")


def test_link_without_its_photo_shows_no_other_words(visit: Visit, open_colours: Visit) -> None:
    page = visit()
    drive.give(page, WIDE)
    expect(page).to_have_url(re.compile("answer="))
    watch = """
    window.said = new Set();
    setInterval(() => {
      for (const { shadowRoot } of document.querySelectorAll("*")) {
        const words = shadowRoot?.querySelector(".vf:not([hidden]) .vf-headline");
        if (words?.checkVisibility({ visibilityProperty: true })) window.said.add(words.innerText);
      }
    }, 5);
    """
    other = open_colours(watch, path=page.url)
    expect(other.locator(".vf-told")).to_contain_text("Loupe said")
    assert other.evaluate("[...window.said].filter(Boolean)") == []
