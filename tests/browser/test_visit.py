"""A visit: each photo comes back with its answer, model, crop and *Why?*."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Error, Page, Route, expect

from tests.browser.drive import (
    CONNECT,
    FIND,
    GREEN_PHOTO,
    GREETING,
    LOADING_MS,
    PATIENCE_MS,
    RED_PHOTO,
    give,
    headline,
    source_line,
    until,
    wait_until_drawn,
    wait_until_stored,
)
from tests.waiting import wait_until

IS_RED, IS_GREEN = "Very likely a red", "Very likely a green"
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
""".replace("FIND", FIND)
WHY = """
(() => {
  const root = (FIND)(document);
  const button = root.querySelector(".vf-why");
  const isPressed = button.ariaPressed === "true";
  if (!isPressed && !button.hasAttribute("data-busy")) button.click();
  return { isPressed, alert: root.querySelector(".vf-alert").textContent };
})()
""".replace("FIND", FIND)


def check(page: Page, words: str, seen: str, model: str) -> None:
    """Check the answer on the screen, the same answer in the address, and *Why?*."""
    expect(headline(page)).to_have_text(words, timeout=LOADING_MS)
    expect(page).to_have_url(re.compile(f"answer={model}~"))
    expected = {"words": words, "seen": seen, "model": model, "alert": ""}
    wait_until(lambda: page.evaluate(STATE) == expected, 15)
    wait_until_drawn(page)
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).to_be_visible(timeout=LOADING_MS)
    assert page.evaluate(STATE) == expected
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).not_to_be_visible()


@pytest.mark.parametrize("run", ["server", "device"])
def test_photo_comes_back_with_its_answer_model_and_crop(
    open_colours: Callable[..., Page], run: str
) -> None:
    page = open_colours(path=f"/?run={run}")
    give(page, RED_PHOTO)
    check(page, IS_RED, SQUARE, "colours")
    page.reload()
    check(page, IS_RED, SQUARE, "colours")
    give(page, GREEN_PHOTO)
    check(page, IS_GREEN, SQUARE, "colours")
    page.go_back()
    check(page, IS_RED, SQUARE, "colours")
    page.go_forward()
    check(page, IS_GREEN, SQUARE, "colours")
    page.get_by_role("combobox", name="Model").first.select_option("wide")
    if run == "device":
        page.get_by_role("button", name="On this device Fetches").click()
    check(page, IS_GREEN, WIDE, "wide")
    page.reload()
    check(page, IS_GREEN, WIDE, "wide")
    # One entry of the history, whatever was chosen along with the answer.
    page.go_back()
    check(page, IS_GREEN, SQUARE, "colours")
    page.go_forward()
    check(page, IS_GREEN, WIDE, "wide")
    page.get_by_role("combobox", name="Model").first.select_option("colours")
    check(page, IS_GREEN, SQUARE, "colours")
    page.go_back()
    check(page, IS_GREEN, WIDE, "wide")
    # A recent photo brings its model along.
    page.locator(".vf").get_by_role("button", name="red", exact=True).click()
    check(page, IS_RED, SQUARE, "colours")
    # Shown once more, it doesn't hold its model against the menu.
    page.locator(".vf").get_by_role("button", name="red", exact=True).click()
    page.get_by_role("combobox", name="Model").first.select_option("wide")
    check(page, IS_RED, WIDE, "wide")
    page.get_by_role("combobox", name="Model").first.select_option("colours")
    check(page, IS_RED, SQUARE, "colours")
    assert_survives_a_crash(page)


def assert_survives_a_crash(page: Page) -> None:
    devtools = page.context.new_cdp_session(page)
    # A process that has ended doesn't answer.
    with page.expect_event("crash"), suppress(Error):
        devtools.send("Page.crash", timeout=1500)
    # Playwright drives no page that has crashed, so the rest is by the browser's own protocol.
    devtools.send("Page.reload", timeout=PATIENCE_MS)

    def run(script: str) -> Any:
        options = {"expression": script, "returnByValue": True}
        with suppress(Error):
            return devtools.send("Runtime.evaluate", options, timeout=PATIENCE_MS)["result"].get(
                "value"
            )
        return None

    expected = {"words": IS_RED, "seen": SQUARE, "model": "colours", "alert": ""}
    wait_until(lambda: run(STATE) == expected, 60)
    wait_until(lambda: run(WHY) == {"isPressed": True, "alert": ""}, 60)


def test_photo_without_an_answer_survives_a_reload(open_colours: Callable[..., Page]) -> None:
    page = open_colours(path="/?run=device")
    page.route("**/*.onnx*", lambda _: None)
    give(page, RED_PHOTO)
    expect(page.locator(".vf-photo img")).to_be_visible()
    wait_until_stored(page)
    page.reload()
    page.unroute("**/*.onnx*")
    page.reload()
    expect(headline(page)).to_have_text(IS_RED, timeout=LOADING_MS)
    page = open_colours(path="/?run=server")
    page.route("**/api/v1/identify*", lambda _: None)
    give(page, GREEN_PHOTO)
    expect(page.locator(".vf-photo img")).to_be_visible()
    wait_until_stored(page)
    page.reload()
    page.unroute("**/api/v1/identify*")
    # After a reload, nothing is sent without another press.
    page.locator(".vf-ask").get_by_role("button", name="On the server").click()
    expect(headline(page)).to_have_text(IS_GREEN, timeout=LOADING_MS)


def test_photo_without_an_answer_can_be_cleared(open_colours: Callable[..., Page]) -> None:
    page = open_colours(path="/?run=server")
    page.route("**/api/v1/identify*", lambda _: None)
    give(page, RED_PHOTO)
    expect(page.locator(".vf-photo img")).to_be_visible()
    wait_until_stored(page)
    page.keyboard.press("Escape")
    clear = page.get_by_role("button", name="Clear recent photos")
    clear.click()
    expect(clear).to_be_hidden()
    page.go_back()
    expect(headline(page)).to_have_text(GREETING)
    expect(page.locator(".vf-photo")).to_be_hidden()


def test_back_from_a_choice_keeps_the_answer_in_the_address(
    open_colours: Callable[..., Page],
) -> None:
    page = open_colours(path="/?run=server")
    page.route("**/api/v1/identify*", lambda _: None)
    with page.expect_request("**/api/v1/identify*"):
        give(page, RED_PHOTO)
    source_line(page).click()
    page.get_by_role("button", name=re.compile("^This device")).click()
    expect(page).to_have_url(re.compile("run=device&answer="), timeout=LOADING_MS)
    page.go_back()
    expect(page).to_have_url(re.compile("run=server&answer="))
    expect(headline(page)).to_have_text(IS_RED)


@pytest.mark.quick
def test_photo_stays_when_streamlit_restores_an_address(open_colours: Callable[..., Page]) -> None:
    page = open_colours(path="/?run=server")
    waiting = list[Route]()
    page.route("**/api/v1/identify*", lambda route: waiting.append(route))  # noqa: PLW0108
    wait_until_drawn(page)
    give(page, RED_PHOTO)
    wait_until(lambda: waiting)
    for is_answered in (False, True):
        page.evaluate("history.pushState({}, '', '?run=server')")
        # Once connected again, the visit has Streamlit follow the address.
        for state in ("CONNECTING", "CONNECTED"):
            page.evaluate(CONNECT, state)
        until(page, "history.state.photo !== undefined")
        expect(page.locator(".vf-photo img")).to_be_visible()
        if not is_answered:
            waiting.pop().continue_()
        expect(page).to_have_url(re.compile("run=server&answer="))
        expect(headline(page)).to_have_text(IS_RED)
