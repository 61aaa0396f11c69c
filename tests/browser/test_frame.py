"""The frame around the pages: deep links, path prefixes, frames of other sites."""

import json
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect

from tests.browser.drive import (
    DESK,
    PHONE,
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


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_fresh_server_opens_any_page_with_its_navigation(browser, tmp_path, name):
    with (
        serving(tmp_path) as new_server,
        checked_page(browser, {"base_url": new_server.url}) as page,
    ):
        page.goto("/" if name == "identify" else f"/{name}")
        content = page.get_by_test_id("stMain")
        expect(content.locator("h2, [data-testid=stFileUploader]").first).to_be_visible()
        expect(page.get_by_test_id("stTopNavLink")).to_have_text(list(PAGES.values()))
        heading = "" if name == "identify" else f"{PAGES[name]} · "
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
        # The API and the title are below the prefix as well; hosts probe the root.
        root = prefixed.url.removesuffix("/some/prefix/~/+")
        for address in (prefixed.url, root):
            with urlopen(f"{address}/api/ready") as response:
                assert json.load(response)["status"] == "ready"
        with urlopen(f"{prefixed.url}/models") as response:
            text = response.read().decode()
        assert "<title>Models · A thousand everyday things</title>" in text
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


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_model_shares_the_header_with_name_and_pages(browser, colours_server, viewport):
    options = {"base_url": colours_server.url, "viewport": viewport}
    with checked_page(browser, options) as page:
        page.goto("/")
        model = page.locator(".vf-chip")
        # Nothing covers it, not even when the page is scrolled.
        model.click(trial=True)
        page.mouse.move(200, 400)
        page.mouse.wheel(0, 500)
        model.click(trial=True)
        band = page.get_by_test_id("stHeader").bounding_box()
        box = model.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= band["height"] == 60
        menu = page.get_by_test_id("stExpandSidebarButton")
        beside = (
            menu if viewport == PHONE else page.get_by_test_id("stTopNavLink").last
        ).bounding_box()
        assert beside["x"] + beside["width"] < box["x"]
        # Other pages have none.
        if viewport == PHONE:
            menu.click()
            page.get_by_test_id("stSidebar").get_by_role("link", name="About").click()
        else:
            go(page, "About")
        expect(headline(page)).to_have_text("About Loupe")
        expect(model).to_have_count(0)
