"""What a visitor does and sees, in the words of the screen."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Locator, Page, expect

from model.samples import Sample, samples
from ui.navigation import PAGES

__all__ = [
    "DESK",
    "PATIENCE",
    "PHONE",
    "answered",
    "attach",
    "chart",
    "go",
    "guarded",
    "headline",
    "photo",
    "pick",
    "sample",
    "settled",
    "source_line",
    "uploader",
]

PATIENCE = 15_000
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
# An exception's box is told even where the next run takes it away again.
WATCH = """
new MutationObserver(() => {
  const box = document.querySelector('[data-testid=stException]');
  if (box && !box.dataset.told) {
    box.dataset.told = 'yes';
    console.error('stException: ' + box.innerText);
  }
}).observe(document, {subtree: true, childList: true});
"""


@contextmanager
def guarded(browser: Browser, options: dict[str, Any]) -> Iterator[Page]:
    """A fresh profile with one page. Errors of scripts, exceptions and dialogs fail the test."""
    wrong: list[str] = []

    def told(message: ConsoleMessage) -> None:
        if message.text.startswith("stException: "):
            wrong.append(message.text)

    context = browser.new_context(**{"viewport": DESK, **options})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(WATCH)
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on("console", told)
    context.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    try:
        yield context.new_page()
    finally:
        context.close()
    assert not wrong, "\n".join(wrong)


Screen = Page | FrameLocator


def headline(screen: Screen) -> Locator:
    """The answer in words, or a page's title."""
    return screen.get_by_test_id("stMain").get_by_role("heading", level=2)


def chart(screen: Screen) -> Locator:
    """The chart's drawing."""
    return screen.get_by_test_id("stVegaLiteChart").locator("svg.marks")


def source_line(screen: Screen) -> Locator:
    """The line that names time, engine and version."""
    return screen.get_by_test_id("stCaptionContainer").filter(has_text=" engine · ")


def photo(screen: Screen) -> Locator:
    """The photo that was answered for, by its description."""
    return screen.get_by_test_id("stMain").get_by_test_id("stImage").locator("img").first


def answered(screen: Screen, *labels: str, engine: str = "compiled") -> str:
    """Wait for a whole answer; returns its headline.

    Args:
        labels: what may be the answer; by default anything.
        engine: what the last line must name.
    """
    words = "|".join(map(re.escape, labels)) if labels else ".+"
    expect(headline(screen)).to_have_text(re.compile(rf"^My best guess: (an? )?({words})$"))
    expect(chart(screen)).to_be_visible()
    expect(source_line(screen)).to_have_text(
        re.compile(
            r"^On the server in (?:\d+|under 1) ms · "
            rf"{engine} engine · [a-z0-9_-]+ [0-9a-f]{{12}}$"
        )
    )
    return headline(screen).inner_text()


def settled(page: Page) -> None:
    """Wait until the page is drawn and no script of it runs."""
    state = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    state.wait_for()
    page.get_by_test_id("stMain").get_by_test_id("stVerticalBlock").first.wait_for()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_function("document.fonts.ready.then(() => true)")


def go(page: Page, title: str) -> None:
    """Open a page from the navigation at the top of a wide screen."""
    group = next(name for name, group in PAGES.items() if title in [entry[1] for entry in group])
    page.get_by_test_id("stTopNavSection").filter(has_text=group).click()
    # By the whole name: an icon's is text as well.
    page.get_by_role("menuitem", name=title, exact=True).click()


def uploader(screen: Screen) -> Locator:
    """The button that opens the phone's camera or the files."""
    dropzone = screen.get_by_test_id("stFileUploaderDropzone")
    return dropzone.get_by_role("button", name="Upload", exact=True)


def sample(name: str) -> Sample:
    """A photograph by its name."""
    return next(found for found in samples() if found.name == name)


def pick(screen: Screen, title: str) -> None:
    """Press a sample's button."""
    screen.get_by_role("button", name=title, exact=True).click()


def attach(screen: Screen, data: bytes | Path, name: str = "photo.jpg") -> None:
    """Send a file: from the disk, or its bytes with a name."""
    inputs = screen.get_by_test_id("stMain").locator("input[type=file]")
    # While the page is drawn anew, the former widget stands beside the new one.
    screen.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    expect(inputs).to_have_count(1)
    if isinstance(data, Path):
        inputs.set_input_files(data)
    else:
        inputs.set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": data})
