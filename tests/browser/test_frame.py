"""The frame around the pages: deep links, path prefixes, titles, frames of other sites."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import drive
from tests.browser.server import framing, serving
from tests.model.tiny import colour, tiny
from tests.photos import encoded
from ui.navigation import LINKS, PAGES


def test_app_opens_at_any_page_under_a_prefix_and_in_a_frame_of_another_site(browser, tmp_path):
    with (
        serving(tmp_path, prefix="some/prefix/~/+") as prefixed,
        framing(f"{prefixed.url}/?run=server", "127.0.0.1") as address,
        drive.checked_page(browser, {}) as page,
    ):
        page.goto(f"{prefixed.url}/compare")
        content = page.get_by_test_id("stMain")
        expect(content.locator("h2, [data-testid=stFileUploader]").first).to_be_visible()
        links = page.get_by_role("navigation", name="Pages").get_by_role("link")
        expect(links).to_have_text([PAGES[name] for name in LINKS])
        expect(page).to_have_title(f"{PAGES['compare']} · A thousand everyday things")
        page.goto(address)
        frame = page.frame_locator("iframe")
        drive.give(frame, drive.sample("coffee").read())
        words = drive.wait_for_answer(frame, "espresso", "cup")
        # Links lead to the app's own address.
        link = drive.share_link(frame)
        assert re.match(rf"{prefixed.url.removesuffix('/~/+')}/?\?", link)
        drive.go(frame, "Models")
        expect(drive.headline(frame)).to_have_text("Models")
        drive.go(frame, "Identify")
        expect(drive.headline(frame)).to_have_text(words)
        assert not prefixed.tracebacks()


@pytest.mark.quick
def test_upload_works_in_a_frame_of_another_origin(browser, server):
    # Of the same site, as where a host frames apps under its own domain: browsers give a
    # frame of another site no cookie, and without it Streamlit refuses uploads.
    with (
        framing(f"{server.url}{drive.PLAIN}", "localhost") as address,
        drive.checked_page(browser, {}) as page,
    ):
        page.goto(address)
        frame = page.frame_locator("iframe")
        drive.attach(frame, drive.sample("coffee").read(), "coffee.png")
        drive.wait_for_plain_answer(frame, "espresso", "cup")
        may_film = "document.featurePolicy.allowsFeature('camera')"
        assert [one.evaluate(may_film) for one in page.frames] == [True, True]


def test_tab_and_heading_follow_when_a_model_is_skipped(browser, tmp_path):
    models_dir = tmp_path / "data" / "models"
    tiny(models_dir, "works", title="Works")
    graph = tiny(models_dir, "broken", title="Broken").folder / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    # A host without st.App loads nothing before the first photo.
    with (
        serving(tmp_path, plain=True) as plain,
        drive.checked_page(browser, {"base_url": plain.url}) as page,
    ):
        page.goto("/")
        expect(page).to_have_title("Broken")
        expect(page.get_by_role("heading", level=1)).to_have_text("Broken")
        drive.attach(page, encoded(colour("red"), "PNG"), "red.png")
        expect(page).to_have_url(re.compile("answer=works~"))
        drive.go(page, "Batch")
        expect(page).to_have_title("Batch · Works")
        page.goto("/")
        expect(page).to_have_title("Works")
        expect(page.get_by_role("heading", level=1)).to_have_text("Works")
