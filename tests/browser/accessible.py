"""Looks of a page: its width, and what axe finds: contrast, names, roles and the rest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.drive import DESK, PHONE, checked_page, wait_until_drawn

SCREENSHOTS = Path(__file__).parent / "screenshots"
LOOKS = ["phone-light", "phone-dark", "desk-light", "desk-dark"]
READABLE = ("color-contrast", "button-name", "link-name", "image-alt")
"""The rules of axe that say whether all can be read, by eye and by ear."""

STREAMLITS_OWN = {
    # The drop zone of st.file_uploader.
    "presentation-role-conflict": "stFileUploaderDropzone",
    # Marks of Vega's charts; each chart has a description.
    "svg-img-alt": "stVegaLiteChart",
    # The link to the main content, where the page's first other link is in a shadow root.
    "region": "stSkipToContent",
}
"""Rules that Streamlit's own elements break, with the elements; the list may only get shorter."""
BREAKS = """
(nodes) => nodes.map(([path]) => {
  // Through shadow roots.
  const element = [path].flat().reduce(
    (found, step) => (found.shadowRoot ?? found).querySelector(step), document);
  const owner = element.closest("[data-testid=stVegaLiteChart], "
    + "[data-testid=stFileUploaderDropzone], [data-testid=stSkipToContent]");
  return owner?.dataset.testid ?? element.outerHTML.slice(0, 200);
})
"""


def options_of(look: str) -> dict[str, Any]:
    """Return Playwright's options for one of ``LOOKS``."""
    place, colours = look.split("-")
    return {"viewport": PHONE if place == "phone" else DESK, "color_scheme": colours}


def check_look(page: Page, name: str, rules: Sequence[str] = ()) -> None:
    """Save a screenshot; assert that the page is no wider than the screen, and accessible."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), name
    assert_accessible(page, rules=rules)


@dataclass(frozen=True)
class Look:
    """A page of the app in one of ``LOOKS``."""

    page: Page
    name: str

    def check(self, screenshot: str, rules: Sequence[str] = READABLE) -> None:
        """Do ``check_look`` once the page is drawn."""
        wait_until_drawn(self.page)
        check_look(self.page, f"{self.name}-{screenshot}", rules)


@contextmanager
def open_look(browser: Browser, url: str, name: str) -> Iterator[Look]:
    """Open a blank page of the app in one of ``LOOKS``."""
    is_phone = name.startswith("phone")
    touch = {"has_touch": is_phone, "device_scale_factor": 2 if is_phone else 1}
    with checked_page(browser, {"base_url": url, **touch, **options_of(name)}) as page:
        yield Look(page, name)


def assert_accessible(page: Page, context: Any = None, rules: Sequence[str] = ()) -> None:
    """Assert that axe finds nothing but faults of Streamlit's own elements.

    Args:
        context: the part of the page to look at, as axe names it; by default, all of it.
        rules: the rules to check; by default, all.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    violations = Axe().run(page, context, options).response["violations"]
    for violation in violations:
        nodes = [node["target"] for node in violation["nodes"]]
        allowed = STREAMLITS_OWN.get(violation["id"])
        assert set(page.evaluate(BREAKS, nodes)) == {allowed}, violation["id"]
