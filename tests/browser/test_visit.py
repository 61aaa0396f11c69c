"""A visit: each photo comes back with its answer, model, crop and *Why?*."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Error, Page, expect

from tests.browser import drive
from tests.waiting import wait_until

Open = Callable[..., Page]
SQUARE, WIDE = "77.8% 100.0%", "100.0% 64.3%"
"""Width and height that the two models see of a photo of 900 × 700 pixels."""
STATE = """
(() => {
  const root = (FIND)(document);
  const photo = root?.querySelector(".vf-photo");
  if (!photo?.querySelector("img").naturalWidth) return null;
  // The list of models is in the page's header.
  const places = [...document.body.children].map((host) => host.shadowRoot);
  const models = places.map((place) => place?.querySelector("select")).find(Boolean);
  const percent = (name) => `${parseFloat(photo.style.getPropertyValue(name)).toFixed(1)}%`;
  return {
    words: root.querySelector("h2").textContent,
    seen: `${percent("--seen-width")} ${percent("--seen-height")}`,
    model: models.value,
    alert: root.querySelector(".vf-alert").textContent,
  };
})()
""".replace("FIND", drive.FIND)
WHY = """
(() => {
  const root = (FIND)(document);
  const button = root.querySelector(".vf-why");
  const isPressed = button.ariaPressed === "true";
  if (!isPressed && !button.hasAttribute("data-busy")) button.click();
  return { isPressed, alert: root.querySelector(".vf-alert").textContent };
})()
""".replace("FIND", drive.FIND)


def check(page: Page, words: str, seen: str, model: str, why: bool = False) -> None:
    """Check the answer on the screen, the same answer in the address and, if asked, *Why?*."""
    expect(drive.headline(page)).to_have_text(words)
    expect(page).to_have_url(re.compile(f"answer={model}~"))
    expected = {"words": words, "seen": seen, "model": model, "alert": ""}
    wait_until(lambda: page.evaluate(STATE) == expected, 15)
    drive.wait_until_drawn(page)
    if not why:
        return
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).to_be_visible()
    assert page.evaluate(STATE) == expected
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).not_to_be_visible()


@pytest.mark.parametrize("run", ["server", "device"])
def test_photo_returns_with_answer_model_and_crop(open_colours: Open, run: str) -> None:
    page = open_colours(path=f"/?run={run}")
    models = page.get_by_role("combobox", name="Model").first
    red = page.locator(".vf").get_by_role("button", name="red", exact=True)
    first, second = (drive.IS_RED, SQUARE, "colours"), (drive.IS_GREEN, SQUARE, "colours")
    other = (drive.IS_GREEN, WIDE, "wide")
    drive.give(page, drive.RED_PHOTO)
    check(page, *first)
    page.reload()
    check(page, *first, why=True)
    drive.give(page, drive.GREEN_PHOTO)
    check(page, *second)
    page.go_back()
    check(page, *first)
    page.go_forward()
    check(page, *second)
    models.select_option("wide")
    if run == "device":
        page.get_by_role("button", name="On this device Fetches").click()
    check(page, *other)
    page.reload()
    check(page, *other, why=True)
    # One entry of the history, whatever was chosen along with the answer.
    page.go_back()
    check(page, *second, why=True)  # It loads the model, so the menu doesn't ask.
    page.go_forward()
    check(page, *other)
    models.select_option("colours")
    check(page, *second)
    page.go_back()
    check(page, *other)
    # A recent photo brings its model along.
    red.click()
    check(page, *first, why=True)
    # Shown once more, it doesn't hold its model against the menu.
    red.click()
    models.select_option("wide")
    check(page, drive.IS_RED, WIDE, "wide")
    models.select_option("colours")
    check(page, *first)
    assert_survives_a_crash(page)


def assert_survives_a_crash(page: Page) -> None:
    devtools = page.context.new_cdp_session(page)
    # A process that has ended doesn't answer.
    with page.expect_event("crash"), suppress(Error):
        devtools.send("Page.crash", timeout=1500)
    # Playwright drives no page that has crashed, so the rest is by the browser's own protocol.
    devtools.send("Page.reload", timeout=drive.PATIENCE_MS)

    def run(script: str) -> Any:
        options = {"expression": script, "returnByValue": True}
        with suppress(Error):
            return devtools.send("Runtime.evaluate", options, timeout=drive.PATIENCE_MS)[
                "result"
            ].get("value")
        return None

    expected = {"words": drive.IS_RED, "seen": SQUARE, "model": "colours", "alert": ""}
    wait_until(lambda: run(STATE) == expected, 60)
    wait_until(lambda: run(WHY) == {"isPressed": True, "alert": ""}, 60)


def give_without_answer(page: Page, pattern: str, photo: bytes) -> None:
    """Choose a photo, hold back its answer, and wait until the browser has stored the photo."""
    page.route(pattern, lambda _: None)
    drive.give(page, photo)
    expect(page.locator(".vf-photo img")).to_be_visible()
    drive.wait_until_stored(page)


def test_photo_without_an_answer_survives_a_reload(open_colours: Open) -> None:
    for run, pattern, photo, words in (
        ("device", "**/*.onnx*", drive.RED_PHOTO, drive.IS_RED),
        ("server", "**/api/v1/identify*", drive.GREEN_PHOTO, drive.IS_GREEN),
    ):
        page = open_colours(path=f"/?run={run}")
        give_without_answer(page, pattern, photo)
        page.reload()
        page.unroute(pattern)
        if run == "device":
            page.reload()
        else:
            # After a reload, nothing is sent without another press.
            page.locator(".vf-ask").get_by_role("button", name="On the server").click()
        expect(drive.headline(page)).to_have_text(words)


def test_photo_without_an_answer_is_cleared_and_back_keeps_others(open_colours: Open) -> None:
    page = open_colours(path="/?run=server")
    give_without_answer(page, "**/api/v1/identify*", drive.RED_PHOTO)
    page.keyboard.press("Escape")
    clear = page.get_by_role("button", name="Clear recent photos")
    clear.click()
    expect(clear).to_be_hidden()
    page.go_back()
    expect(drive.headline(page)).to_have_text(drive.GREETING)
    expect(page.locator(".vf-photo")).to_be_hidden()
    with page.expect_request("**/api/v1/identify*"):
        drive.give(page, drive.RED_PHOTO)
    drive.choose_place(page, "This device")
    expect(page).to_have_url(re.compile("run=device&answer="))
    page.go_back()
    expect(page).to_have_url(re.compile("run=server&answer="))
    expect(drive.headline(page)).to_have_text(drive.IS_RED)


@pytest.mark.quick
def test_photo_stays_when_streamlit_restores_an_address(open_colours: Open) -> None:
    page = open_colours(path="/?run=server")
    held = drive.HeldRequests(page, "**/api/v1/identify*")
    drive.wait_until_drawn(page)
    with page.expect_request("**/api/v1/identify*"):
        drive.give(page, drive.RED_PHOTO)
    for is_answered in (False, True):
        page.evaluate("history.pushState({}, '', '?run=server')")
        # Once connected again, the visit has Streamlit follow the address.
        for state in ("CONNECTING", "CONNECTED"):
            page.evaluate(drive.CONNECT, state)
        drive.until(page, "history.state.photo !== undefined")
        expect(page.locator(".vf-photo img")).to_be_visible()
        if not is_answered:
            held.release()
        expect(page).to_have_url(re.compile("run=server&answer="))
        expect(drive.headline(page)).to_have_text(drive.IS_RED)
