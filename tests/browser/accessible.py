"""What axe finds on a page: contrast, names, roles and the rest of its rules."""

from collections.abc import Sequence
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

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


def assert_accessible(page: Page) -> None:
    """Assert that axe finds nothing."""
    report = Axe().run(page)
    assert report.violations_count == 0, report.generate_report()


def assert_own_parts_accessible(page: Page, context: Any = None, rules: Sequence[str] = ()) -> None:
    """Assert the same of what isn't Streamlit's.

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
