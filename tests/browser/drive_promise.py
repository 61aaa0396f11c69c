"""A visitor whose photos are watched: which bodies leave the browser, beside the screen's words."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.drive import LOADING_MS, RED_PHOTO, give, headline, source_line
from tests.browser.sending_log import Log
from tests.model.tiny import colour
from tests.photos import encoded

FAR_MS = 60
"""Latency at which a server isn't on the same machine."""

HEIC = encoded(colour("red").resize((300, 200)), "HEIF")
FILES = {
    "photo.jpg": RED_PHOTO,
    "photo.heic": HEIC,
    "photo.tiff": encoded(colour("red").resize((300, 200)), "TIFF"),
    "cut.heic": HEIC[:100],
    "cut.jpg": RED_PHOTO[: len(RED_PHOTO) // 2],
    "text.txt": b"no photo at all" * 1000,
    "empty.jpg": b"",
}
IS_RED = re.compile("^Very likely a red$")


Visit = Callable[..., tuple[Page, Log]]


def ready(page: Page) -> None:
    expect(source_line(page)).to_have_text(
        re.compile("On this device: the photo stays here"), timeout=LOADING_MS
    )


def choose(page: Page, name: str) -> None:
    give(page, FILES[name], name)


def ask(page: Page, *names: str) -> None:
    """Expect a question with these ways, and none of the words below it."""
    panel = page.locator(".vf-ask")
    expect(panel.locator("b")).to_have_text(list(names))
    expect(page.locator(".vf-words")).to_be_hidden()


def press(page: Page, name: str) -> None:
    page.locator(".vf-ask").get_by_role("button", name=name).click()


def select(page: Page, model: str) -> None:
    """Choose another model, with or without room for the list on this screen."""
    script = """(list, model) => {
      window.lookAgain();
      list.value = model;
      list.dispatchEvent(new Event("change"));
    }"""
    page.locator(".vf-chip").evaluate(script, model)


def answered(page: Page, words: str) -> None:
    expect(headline(page)).to_have_text(IS_RED, timeout=LOADING_MS)
    expect(source_line(page)).to_contain_text(re.compile(words))


def answered_here(visit: Visit) -> tuple[Page, Log]:
    """Open a page where the device has answered a photo; return it and what left it."""
    page, log = visit("auto")
    ready(page)
    choose(page, "photo.jpg")
    answered(page, "On this device in")
    return page, log
