"""A first visit over a slow connection: what it loads, and the screen before the app's own."""

import re
import threading
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser import drive
from tests.browser.server import serving
from ui.app_info import DESK_HEADLINE, HEADLINE

PREFIX = "some/prefix"
FILES = ".vf-ways input[type=file]:not([capture])"
SLOW_MS = 250
# Chromium 150 leaves the emulated delay out of the figures that the page measures.
SLOW = f"Object.defineProperty(navigator, 'connection', {{ value: {{ rtt: {SLOW_MS} }} }});"
# However busy this machine is.
QUICK = """
Object.defineProperty(navigator, "connection", { value: { rtt: 50 } });
Object.defineProperty(PerformanceNavigationTiming.prototype, "responseStart", { value: 0 });
"""


def visit(new_page, url, *, slow):
    """Open the app; return the page, and the paths that it asked for."""
    page, paths = new_page(**({"viewport": drive.PHONE} if slow else {})), []
    if slow:
        drive.slow_down(page, SLOW_MS)
        page.add_init_script(SLOW)
    else:
        page.add_init_script(QUICK)
    prefix = urlsplit(url).path + "/"
    page.on("request", lambda request: paths.append(urlsplit(request.url).path[len(prefix) :]))
    page.goto(f"{url}/?run=server")
    return page, paths


@pytest.fixture(scope="module")
def url(chromium, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("visit"), prefix=PREFIX) as running:
        yield running.url


ROUND_TRIP = """
(([{ requestStart, responseStart }]) =>
  Math.max(responseStart - requestStart, navigator.connection?.rtt ?? 0)
)(performance.getEntriesByType("navigation"))
"""


def test_slow_line_gets_one_file_of_modules_and_a_quick_one_gets_each(new_page, url):
    for slow in (True, False):
        page, paths = visit(new_page, url, slow=slow)
        page.locator("[data-testid=stBidiComponentIsolated] .vf").wait_for()
        # start.js is for pages whose inline scripts are blocked.
        others = re.compile(r"^start\.js$")
        scripts = [path for path in paths if path.endswith("js") and not others.search(path)]
        bundles = [path for path in scripts if path.startswith("static/js/loupe.")]
        assert len(scripts) == len(set(scripts)), "no module is loaded twice"
        # A busy machine can make the connection look slow.
        is_slow = slow or page.evaluate(ROUND_TRIP) > 150
        # The viewfinder is always in one file.
        assert len(bundles) == (2 if is_slow else 1), (slow, scripts)
        assert any(path.startswith("static/js/index.") for path in scripts) != is_slow
        # Other pages load modules of their own, and share those that are already loaded.
        if slow:
            page.goto(f"{url}/models")
        else:
            drive.go(page, "Models")
        drive.wait_until_drawn(page)
        expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()


REFUSE_MAPS = """
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const node of addedNodes) {
      if (node.type === "importmap" && node.textContent === "{}") node.onerror?.();
    }
  }
}).observe(document, { childList: true, subtree: true });
"""
IMPATIENT = """
const wait = window.setTimeout;
window.setTimeout = (run, ms, ...values) => wait(run, ms === 8000 ? 0 : ms, ...values);
"""
"""Makes Streamlit load although the viewfinder isn't there yet."""
TROUBLES = {
    # As in browsers that resist fingerprinting.
    "timings are hidden": ("performance.getEntriesByType = () => [];", 1),
    "a second import map is refused": (SLOW + REFUSE_MAPS, 1),
    # As at another replica, whose Streamlit sends its page instead of a missing file.
    "the bundle is missing": (QUICK, 1),
    # As from a replica without the file: it runs nothing.
    "the second bundle is empty": (SLOW + IMPATIENT, 2),
}
"""Troubles, with a script for each, and the number of bundles that the page asks for."""


@pytest.mark.parametrize("trouble", TROUBLES)
def test_page_answers_despite_trouble(new_page, url, trouble):
    script, bundles = TROUBLES[trouble]
    page = new_page(viewport=drive.PHONE)
    page.add_init_script(script)
    asked = []

    def serve(route):
        asked.append(route)
        if trouble == "the bundle is missing":
            route.fulfill(content_type="text/html")
        elif trouble != "the second bundle is empty":
            route.continue_()
        elif len(asked) == 2:
            route.fulfill(body="", content_type="text/javascript")
            # The first bundle still runs first.
            asked[0].continue_()

    page.route("**/static/js/loupe.*", serve)
    page.goto(f"{url}/?run=server", wait_until="commit")
    page.locator("[data-testid=stBidiComponentIsolated] .vf").wait_for()
    drive.give(page, drive.RED_PHOTO)
    expect(drive.source_line(page)).to_contain_text("On the server in")
    assert len(asked) == bundles


PLACES = """
(view) => ["square", "headline", "sub:not(:empty)", "samples", "ways"].map((name) => {
  const part = view.querySelector(`.${view.className}-${name}`);
  const { x, y, width, height } = part.getBoundingClientRect();
  return name === "headline" ? [x, y, height] : [x, y, width, height];
})
"""


@pytest.mark.quick
@pytest.mark.parametrize(
    ("size", "theme"),
    [
        (drive.PHONE, "light"),
        pytest.param({"width": 844, "height": 390}, "light", marks=pytest.mark.slow),
        pytest.param(drive.DESK, "dark", marks=pytest.mark.slow),
    ],
)
def test_viewfinder_takes_the_place_of_the_first_screen(new_page, url, size, theme):
    """Without a jump, and of the model that the address asks for."""
    page = new_page(viewport=size, color_scheme=theme, permissions=[])
    held, is_open = [], threading.Event()
    page.route(
        "**/static/js/*",
        lambda route: route.continue_() if is_open.is_set() else held.append(route),
    )
    page.goto(f"{url}/?run=server&model=clothing", wait_until="commit")
    first = page.locator("#first-screen")
    greeting = DESK_HEADLINE if size == drive.DESK else HEADLINE
    expect(first.locator("h2")).to_have_text(greeting)
    expect(first.locator(".first-sub")).to_have_text(re.compile("^This model knows ten things: "))
    expect(first.locator(".first-chip")).to_have_text("Ten kinds of clothes")
    expect(first.locator(".late")).to_have_css("opacity", "1")
    expect(first).to_have_css(
        "background-color", "rgb(255, 255, 255)" if theme == "light" else "rgb(11, 21, 20)"
    )
    before = page.locator(".first").evaluate(PLACES)
    is_open.set()
    for route in held:
        route.continue_()
    page.locator(".vf-choose").wait_for()
    expect(page.locator(".vf-headline")).to_have_text(greeting)
    expect(first).to_have_count(0)
    drive.wait_until_drawn(page)
    for ours, theirs in zip(before, page.locator(".vf").evaluate(PLACES), strict=True):
        assert ours == pytest.approx(theirs, abs=0.5)


@pytest.mark.quick
def test_first_screen_is_only_for_the_viewfinder(new_page, url):
    page = new_page(java_script_enabled=False)
    page.goto(url)
    expect(page.get_by_text("Loupe needs JavaScript")).to_be_visible()
    expect(page.get_by_text("Loading the app")).to_be_hidden()
    page.goto(f"{url}/?answer=imagenet~x")
    expect(page.locator(".first-square")).to_be_visible()
    expect(page.locator("#first-screen h2")).to_have_count(0)
    for path in ("?way=Upload", "models"):
        page.goto(f"{url}/{path}")
        expect(page.locator("#first-screen")).to_have_count(0)


@pytest.mark.quick
def test_app_starts_where_scripts_in_the_page_are_blocked(new_page, url):
    """By a proxy's Content-Security-Policy."""

    def forbid(route):
        response = route.fetch()
        policy = {"Content-Security-Policy": "script-src 'self' blob:"}
        route.fulfill(response=response, headers={**response.headers, **policy})

    # A response that Playwright fulfils isn't local for Chromium.
    page = new_page(permissions=["local-network-access"])
    page.route(f"{url}/?run=server", forbid)
    page.goto(f"{url}/?run=server")
    page.locator(".vf-choose").wait_for()
    expect(page.locator("#first-screen")).to_have_count(0)
