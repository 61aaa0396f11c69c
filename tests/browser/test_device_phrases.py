"""``view/phrasing.mjs`` in a page: labels are text, and name their language and direction."""

from playwright.sync_api import Page, Route

from model.settings import ROOT

SHOW = """
async (phrase) => {
  const { phraseNodes } = await import("http://device.test/view/phrasing.mjs");
  const heading = document.createElement("h2");
  document.body.append(heading);
  heading.append(...phraseNodes(phrase, "ar"));
  return heading.innerHTML;
}
"""


def answer(route: Route) -> None:
    name = route.request.url.removeprefix("http://device.test/")
    if name.endswith(".mjs"):
        route.fulfill(path=ROOT / "device" / name, content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html><title>test</title>", content_type="text/html")


def test_label_is_text_with_its_language_and_direction(page: Page) -> None:
    page.route("http://device.test/**", answer)
    page.goto("http://device.test/")
    phrase = ["Probably ", {"label": "قميص"}, " or ", {"label": "<img src=x onerror=alert(1)>"}]
    assert page.evaluate(SHOW, phrase) == (
        'Probably <span lang="ar" dir="auto">قميص</span> or '
        '<span lang="ar" dir="auto">&lt;img src=x onerror=alert(1)&gt;</span>'
    )
    assert page.locator("h2 img").count() == 0
