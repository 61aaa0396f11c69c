"""The frame around the pages: deep links, path prefixes, frames of other sites."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.browser.drive import answered, attach, go, guarded, headline, pick, sample
from tests.browser.server import serving
from ui.navigation import PAGES

ENTRIES = [entry for group in PAGES.values() for entry in group]
SANDBOX = "allow-scripts allow-same-origin allow-forms allow-popups allow-downloads"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, *_ in ENTRIES])
def test_fresh_server_opens_any_page_with_its_navigation(browser, tmp_path, name):
    with (
        serving(tmp_path) as fresh,
        guarded(browser, {"base_url": fresh.url}) as page,
    ):
        page.goto("/" if name == ENTRIES[0][0] else f"/{name}")
        content = page.get_by_test_id("stMain")
        expect(content.locator("h2, [data-testid=stFileUploader]").first).to_be_visible()
        for group, entries in PAGES.items():
            page.get_by_test_id("stTopNavSection").filter(has_text=group).click()
            links = page.get_by_test_id("stTopNavDropdownLink")
            expect(links).to_contain_text([title for _, title, _ in entries])
            page.keyboard.press("Escape")
        assert "Loupe" in page.title()
        assert not fresh.tracebacks()


@contextmanager
def host(framed, name):
    """Another origin, whose page frames the app as hosts do; another name is another site."""
    text = (
        f'<!doctype html><title>host</title><iframe src="{framed}" sandbox="{SANDBOX}" '
        'allow="camera; clipboard-write" width="1000" height="700"></iframe>'
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://{name}:{running.server_port}/"
        finally:
            running.shutdown()
            thread.join()


@pytest.mark.slow
def test_app_works_under_a_path_prefix_in_a_frame_of_another_site(browser, tmp_path):
    with (
        serving(tmp_path, prefix="some/prefix/~/+") as prefixed,
        host(f"{prefixed.url}/?way=Sample", "127.0.0.1") as address,
        guarded(browser, {}) as page,
    ):
        page.goto(address)
        frame = page.frame_locator("iframe")
        pick(frame, "Coffee")
        answered(frame, "espresso", "cup")
        # Links lead to the app's own address.
        frame.get_by_role("button", name="Share").click()
        link = frame.get_by_role("dialog").locator("code").inner_text()
        assert "/some/prefix?" in link or "/some/prefix/?" in link
        assert "/~/+" not in link
        frame.get_by_role("dialog").get_by_role("button", name="Close").click()
        go(frame, "Models")
        expect(headline(frame)).to_have_text("Models")
        go(frame, "Identify")
        answered(frame, "espresso", "cup")
        assert not prefixed.tracebacks()


def test_upload_works_in_a_frame_of_another_origin(browser, server):
    # Of the same site, as where a host frames apps under its own domain: browsers give a
    # frame of another site no cookie, and without it Streamlit refuses uploads.
    with host(f"{server.url}/", "localhost") as address, guarded(browser, {}) as page:
        page.goto(address)
        frame = page.frame_locator("iframe")
        attach(frame, sample("coffee").read(), "coffee.png")
        answered(frame, "espresso", "cup")
