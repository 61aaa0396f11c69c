"""Looks of a page: its width, and what axe finds: contrast, names, roles and the rest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.drive import DESK, PHONE, resize, wait_until_drawn

SCREENSHOTS = Path(__file__).parent / "screenshots"
LOOKS = ["phone-light", "phone-dark", "desk-dark", "desk-light"]
TWO_LOOKS = ["phone-light", "desk-dark"]
"""Each size and each theme once, for the states of a page; pages themselves are checked in all."""
READABLE = ("color-contrast", "button-name", "link-name", "image-alt")
"""The rules of axe about whether a page can be read, with or without seeing it."""

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
    size = "x".join(map(str, (page.viewport_size or PHONE).values()))
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    look = f"{name}-{size}-{'dark' if is_dark else 'light'}"
    page.screenshot(path=SCREENSHOTS / f"{look}.png")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), look
    assert_accessible(page, rules=rules)


def check_drawn(page: Page, name: str) -> None:
    """Wait until a page of the app is drawn; then call ``check_look`` with ``READABLE``."""
    wait_until_drawn(page)
    check_look(page, name, READABLE)


def check_looks(
    page: Page, name: str, rules: Sequence[str] = READABLE, looks: Sequence[str] = LOOKS
) -> None:
    """Call ``check_look`` on a page of the app in one look after the other."""
    for look in looks:
        options = options_of(look)
        page.emulate_media(color_scheme=options["color_scheme"])
        expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", options["color_scheme"])
        # It follows half a second later.
        expect(page.locator("#pages")).to_have_attribute("data-theme", options["color_scheme"])
        resize(page, **options["viewport"])
        wait_until_drawn(page)
        expect(page.locator("#pages a[aria-current]:visible")).to_have_count(1)
        check_look(page, name, rules)


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
