"""A visitor: opens a page in Chromium, chooses a photo, sees the answer."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from .registry import NoFigure
from .servers import Server

__all__ = ["answered", "chromium", "opened"]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
]
PATIENCE = 120_000
"""Milliseconds until a page that does not answer is given up."""

REST = 1.0
"""Seconds that a page gets to come to rest before a photo is chosen."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window.

    Raises:
        NoFigure: there is none: ``CHROMIUM`` names none, and none is on the path.
    """
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        raise NoFigure("there is no Chromium; name one with CHROMIUM=/path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, server: Server, *, rest: float = REST) -> Iterator[Page]:
    """The app's page with its file input there, by a visitor who was never here before."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        # Not "load": a page may wait there for fonts from the internet.
        page.goto(server.url, wait_until="commit")
        page.locator(server.app.input).first.wait_for(state="attached")
        time.sleep(rest)
        yield page
    finally:
        context.close()


def answered(page: Page, server: Server, photo: Path, *, after: str = "") -> tuple[float, str]:
    """Choose a photo and wait until an answer other than ``after`` is seen.

    Returns:
        The seconds from one to the other, and the answer's words.
    """
    answer = page.locator(server.app.answer).first
    chosen = page.locator(server.app.input).first
    began = time.perf_counter()
    chosen.set_input_files(photo)
    answer.wait_for(state="visible")
    while not (words := answer.inner_text().strip()) or words == after:
        if time.perf_counter() > began + PATIENCE / 1000:
            raise NoFigure(f"{server.app.name} still says {words!r} after {PATIENCE / 1000:.0f} s")
        page.wait_for_timeout(20)
    return time.perf_counter() - began, words
