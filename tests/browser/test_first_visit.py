"""A first visit over a slow line, below a base path, and a server that goes away and comes back."""

from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from deploy.ports import free_port
from tests.browser.drive import PHONE, checked_page, go, sample, wait_until_drawn
from tests.browser.server import serving

PREFIX = "some/prefix"
SLOW = {"offline": False, "latency": 250, "downloadThroughput": -1, "uploadThroughput": -1}


def visit(browser, url, *, slow):
    """Open the app; return the page, and the paths that it asked for."""
    stack, paths = ExitStack(), []
    page = stack.enter_context(checked_page(browser, {"viewport": PHONE} if slow else {}))
    if slow:
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.send("Network.emulateNetworkConditions", SLOW)
    prefix = urlsplit(url).path + "/"
    page.on("request", lambda request: paths.append(urlsplit(request.url).path[len(prefix) :]))
    page.goto(f"{url}/?run=server")
    return stack, page, paths


@pytest.fixture(scope="module")
def url(chromium, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("visit"), prefix=PREFIX) as running:
        yield running.url


def test_slow_line_gets_one_file_of_modules_and_a_quick_one_gets_each(browser, url):
    for slow in (True, False):
        stack, page, paths = visit(browser, url, slow=slow)
        with stack:
            page.locator(".vf-choose").wait_for()
            scripts = [path for path in paths if path.endswith("js") and "worker" not in path]
            bundles = [path for path in scripts if path.startswith("static/js/loupe.")]
            assert len(scripts) == len(set(scripts)), "no module is loaded twice"
            assert (len(scripts) == len(bundles) == 1) if slow else not bundles
            # Other pages load modules of their own, which find the ones that are there.
            if slow:
                page.goto(f"{url}/models")
            else:
                go(page, "Models")
            wait_until_drawn(page)
            expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()


def test_page_joins_a_server_that_comes_back(browser, chromium, tmp_path):
    port, photo = free_port(), sample("coffee").path
    with ExitStack() as pages:
        with serving(tmp_path, port=port) as running:
            page = pages.enter_context(checked_page(browser, {}))
            page.goto(f"{running.url}/?run=server")
            page.locator(".vf-choose").wait_for()
            page.evaluate("window.isSamePage = true")
        # Streamlit's dialog comes at the sixth failure to connect.
        for _ in range(7):
            page.wait_for_event("requestfailed", lambda request: "health" in request.url)
        page.wait_for_timeout(500)
        expect(page.get_by_role("dialog")).to_have_count(0)
        with serving(tmp_path, port=port):
            page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]").wait_for()
            page.wait_for_timeout(1000)
            wait_until_drawn(page)
            page.locator(".vf-ways input[type=file]:not([capture])").set_input_files(photo)
            expect(page.locator("[data-screen=answer] .vf-headline")).to_contain_text("espresso")
            assert page.evaluate("window.isSamePage")
