"""The frame around the pages: deep links, path prefixes, frames of other sites."""

import json
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect

from tests.browser.drive import (
    UPLOAD,
    attach,
    checked_page,
    go,
    headline,
    pick,
    sample,
    wait_for_answer,
)
from tests.browser.server import framing, serving
from ui.navigation import PAGES

ENTRIES = [entry for group in PAGES.values() for entry in group]
TITLES = {name: title for name, title, _ in ENTRIES}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, *_ in ENTRIES])
def test_fresh_server_opens_any_page_with_its_navigation(browser, tmp_path, name):
    with (
        serving(tmp_path) as new_server,
        checked_page(browser, {"base_url": new_server.url}) as page,
    ):
        page.goto("/" if name == ENTRIES[0][0] else f"/{name}")
        content = page.get_by_test_id("stMain")
        expect(content.locator("h2, [data-testid=stFileUploader]").first).to_be_visible()
        for group, entries in PAGES.items():
            page.get_by_test_id("stTopNavSection").filter(has_text=group).click()
            links = page.get_by_test_id("stTopNavDropdownLink")
            expect(links).to_contain_text([title for _, title, _ in entries])
            page.keyboard.press("Escape")
        heading = "" if name == ENTRIES[0][0] else f"{TITLES[name]} · "
        expect(page).to_have_title(f"{heading}A thousand everyday things")
        assert not new_server.tracebacks()


@pytest.mark.slow
def test_app_works_under_a_path_prefix_in_a_frame_of_another_site(browser, tmp_path):
    with (
        serving(tmp_path, prefix="some/prefix/~/+") as prefixed,
        framing(f"{prefixed.url}/?way=Sample", "127.0.0.1") as address,
        checked_page(browser, {}) as page,
    ):
        page.goto(address)
        frame = page.frame_locator("iframe")
        pick(frame, "Coffee")
        wait_for_answer(frame, "espresso", "cup")
        # Links lead to the app's own address.
        frame.get_by_role("button", name="Share").click()
        link = frame.get_by_role("dialog").get_by_role("textbox", name="Link").input_value()
        assert "/some/prefix?" in link or "/some/prefix/?" in link
        assert "/~/+" not in link
        frame.get_by_role("dialog").get_by_role("button", name="Close").click()
        go(frame, "Models")
        expect(headline(frame)).to_have_text("Models")
        go(frame, "Identify")
        wait_for_answer(frame, "espresso", "cup")
        # The API and the link preview are below the prefix as well; hosts probe the root.
        root = prefixed.url.removesuffix("/some/prefix/~/+")
        for address in (prefixed.url, root):
            with urlopen(f"{address}/api/ready") as response:
                assert json.load(response)["status"] == "ready"
        with urlopen(f"{prefixed.url}/models") as response:
            text = response.read().decode()
        assert "<title>Models · A thousand everyday things</title>" in text
        assert f'content="{prefixed.url}/link-preview.png?v=' in text
        assert not prefixed.tracebacks()


def test_upload_works_in_a_frame_of_another_origin(browser, server):
    # Of the same site, as where a host frames apps under its own domain: browsers give a
    # frame of another site no cookie, and without it Streamlit refuses uploads.
    with (
        framing(f"{server.url}{UPLOAD}", "localhost") as address,
        checked_page(browser, {}) as page,
    ):
        page.goto(address)
        frame = page.frame_locator("iframe")
        attach(frame, sample("coffee").read(), "coffee.png")
        wait_for_answer(frame, "espresso", "cup")
