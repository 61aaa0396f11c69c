"""A server that goes away and comes back: open pages say so, and join it again."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import add_colours
from tests.browser.drive import (
    GREETING,
    LOADING_MS,
    PHONE,
    RED_PHOTO,
    chart,
    give,
    headline,
    source_line,
    wait_until_drawn,
)
from tests.browser.server import serving
from tests.model.tiny import colour
from tests.photos import encoded
from tests.waiting import wait_until

NO_ANSWER = "The server doesn’t answer. "
GONE = f"{NO_ANSWER}Trying again…"
IS_RED = "Very likely a red"
HEIC = encoded(colour("red").resize((300, 200)), "HEIF")
GROUNDS = {"light": "rgb(241, 245, 244)", "dark": "rgb(20, 35, 33)"}
"""Background of the bar that says that the server is gone."""
FAILURES = 7
"""Streamlit's own dialog comes at the sixth failure to connect."""


def test_pages_join_a_server_that_comes_back(
    new_page: Callable[..., Page], built_dir: Path, tmp_path: Path
) -> None:
    add_colours(tmp_path, built_dir)
    options: dict[str, Any] = {"LOUPE_MODEL": "colours", "LOUPE_BUILTIN": "false"}
    with ExitStack() as stack:
        first = stack.enter_context(serving(tmp_path, **options))
        others = [new_page(viewport=PHONE, color_scheme=colours) for colours in GROUNDS]
        failures: list[str] = []
        for other in others:
            other.clock.install()
            other.on("requestfailed", lambda request: failures.append(request.url))
            other.goto(f"{first.url}/about")
            wait_until_drawn(other)
            expect(other.locator("#gone")).to_have_text("")
        page = new_page(base_url=first.url)
        page.goto("/")
        on_device = "On this device: the photo stays here"
        expect(source_line(page)).to_contain_text(on_device, timeout=LOADING_MS)
        give(page, RED_PHOTO)
        # Chromium never fetches a module again that couldn't be fetched.
        expect(chart(page)).to_be_visible()
        first.process.kill()
        first.process.wait()
        expect(source_line(page)).to_have_text(f"{NO_ANSWER}This device still does.")
        answer_without_server(page)
        for other, ground in zip(others, GROUNDS.values(), strict=True):
            bar = other.locator("#gone")
            expect(bar).to_have_text(GONE)
            expect(bar).to_have_css("background-color", ground)

        def has_retried() -> bool:
            for other in others:
                other.clock.fast_forward(10_000)
            return sum("health" in url for url in failures) >= 2 * FAILURES

        wait_until(has_retried, 60)
        for other in others:
            expect(other.get_by_role("dialog")).to_have_count(0)
        page.evaluate("window.isSamePage = true")
        second = stack.enter_context(serving(tmp_path, port=first.port, **options))
        for other in others:
            other.clock.fast_forward(10_000)
            expect(other.locator("#gone")).to_have_text("")
        expect(source_line(page)).to_contain_text("On this device in", timeout=LOADING_MS)
        expect(chart(page)).to_be_visible(timeout=LOADING_MS)
        source_line(page).click()
        page.get_by_role("button", name=re.compile("^The server")).click()
        expect(source_line(page)).to_contain_text("On the server in", timeout=LOADING_MS)
        second.process.kill()
        second.process.wait()
        expect(source_line(page)).to_have_text(GONE)
        # The viewfinder's own words are enough.
        expect(page.locator("#gone")).to_be_hidden()
        # An answer that is closed meanwhile stays closed, though the address still has it.
        page.keyboard.press("Escape")
        stack.enter_context(serving(tmp_path, port=first.port, **options))
        expect(source_line(page)).to_contain_text("On the server: ", timeout=LOADING_MS)
        expect(page).not_to_have_url(re.compile("answer="))
        expect(headline(page)).to_have_text(GREETING)
        give(page, RED_PHOTO)
        expect(headline(page)).to_have_text(IS_RED)
        assert page.evaluate("window.isSamePage")


def answer_without_server(page: Page) -> None:
    """Share, identify and explain on the device; nothing is asked of the server."""
    page.get_by_role("button", name="Share").click()
    link = page.get_by_role("dialog").get_by_role("textbox", name="Link").input_value()
    assert "?answer=colours~" in link
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("Escape")
    expect(headline(page)).to_have_text(GREETING)
    # No server can get the file, so there is no question.
    give(page, HEIC, "photo.heic")
    expect(page.locator(".vf-alert")).not_to_be_empty()
    expect(page.locator(".vf-ask")).to_have_count(0)
    give(page, RED_PHOTO)
    expect(headline(page)).to_have_text(IS_RED)
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).to_be_visible()
