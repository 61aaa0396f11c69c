"""Sizes and places of the viewfinder's screens on Streamlit's page, measured in Chromium."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.drive import checked_page
from tests.browser.server import Server

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
  return [name, [x, y, width, height].map((value) => Math.round(value))];
}))
"""
ASKS_FIRST = """
navigator.permissions.query = async () => ({state: "prompt", addEventListener() {}});
"""
NO_CAMERA = "navigator.mediaDevices.enumerateDevices = async () => [];"
PHONES = [(390, 844), (375, 667), (320, 568), (430, 932)]

Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, colours_server: Server) -> Iterator[Visit]:
    """Open Identify in a fresh profile of a size."""
    with ExitStack() as stack:

        def come(size: tuple[int, int], *scripts: str) -> Page:
            options: dict[str, Any] = {
                "base_url": colours_server.url,
                "viewport": {"width": size[0], "height": size[1]},
            }
            page = stack.enter_context(checked_page(browser, options))
            for script in scripts:
                page.add_init_script(script)
            page.goto("/?run=server")
            expect(page.locator(".vf-headline")).to_be_visible()
            return page

        yield come


@pytest.mark.parametrize("size", PHONES, ids=str)
def test_camera_opens_in_the_empty_square(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(size, ASKS_FIRST)
    root = page.locator(".vf[data-screen=empty]")
    expect(page.get_by_role("button", name="Open the camera")).to_be_visible()
    empty = root.evaluate(BOXES)
    assert root.evaluate(CUT) == []
    assert empty[".vf-square"][1] == 64
    if size == (390, 844):
        assert empty[".vf-square"] == [16, 64, 358, 358]
        assert empty[".vf-headline"][1] == 444
    page = visit(size, NO_CAMERA)
    expect(page.locator(".vf-hint")).to_contain_text("this device has no camera")
    assert page.locator(".vf").evaluate(BOXES) == empty
    page = visit(size)
    root = page.locator(".vf[data-screen=camera]")
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    assert root.evaluate(BOXES) == empty
    assert root.evaluate(CUT) == []
