"""A batch has an address of its own: a reload and a lost tab come back to it."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.drive import DESK, PHONE, go, headline, wait_until_drawn

PHOTOS = 24
ADDRESS = re.compile(r"[?&]batch=[\w-]{22}")


def upload(page: Page, count: int, side: int = 300) -> None:
    """Upload drawings: small files that take a while to decode if ``side`` is large."""
    file = BytesIO()
    Image.new("RGB", (side, side), "teal").save(file, "PNG")
    files: list[FilePayload] = [
        {"name": f"{index}.png", "mimeType": "image/png", "buffer": file.getvalue()}
        for index in range(count)
    ]
    page.get_by_test_id("stMain").locator("input[type=file]").set_input_files(files)
    expect(page).to_have_url(ADDRESS)


def wait_for_results(page: Page, count: int) -> None:
    expect(headline(page)).to_have_text(f"{count} of {count} photos answered", timeout=60_000)
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()


def go_back_to_models(page: Page) -> None:
    """Press Back once, or twice if Streamlit added the address after the page change."""
    page.go_back()
    expect(headline(page)).to_have_text(re.compile("Models|photos answered"))
    try:
        expect(headline(page)).to_have_text("Models", timeout=3000)
    except AssertionError:
        page.go_back()
        expect(headline(page)).to_have_text("Models")


@pytest.fixture
def batch_page(page):
    page.goto("/batch")
    wait_until_drawn(page)
    return page


def test_samples_leave_the_uploader_in_sight(page):
    page.set_viewport_size(PHONE)
    page.goto("/batch?model=clothing")
    example, uploader = page.get_by_text("none of these"), page.get_by_test_id("stFileUploader")
    expect(example).to_be_visible()
    button, links = uploader.get_by_role("button").last.bounding_box(), page.locator("#pages")
    assert example.bounding_box()["y"] < button["y"]
    assert button["y"] + button["height"] < links.bounding_box()["y"]
    page.set_viewport_size(DESK)
    assert uploader.bounding_box()["y"] < example.bounding_box()["y"]


def test_reload_keeps_a_running_batch_and_its_results(batch_page, visitor):
    page = batch_page
    upload(page, PHOTOS, side=4000)
    expect(page.get_by_role("button", name="Stop and keep results")).to_be_visible()
    page.reload()
    wait_for_results(page, PHOTOS)
    page.reload()
    wait_for_results(page, PHOTOS)
    # A tab of another browser, as after a lost one.
    other = visitor(viewport=PHONE)
    other.goto(page.url)
    wait_for_results(other, PHOTOS)


def test_other_pages_and_back_return_to_the_batch(batch_page):
    page = batch_page
    upload(page, 3)
    wait_for_results(page, 3)
    go(page, "Models")
    expect(headline(page)).to_have_text("Models")
    go(page, "Batch")
    wait_for_results(page, 3)
    # The address is back, so that a reload finds the batch.
    expect(page).to_have_url(ADDRESS)
    go_back_to_models(page)
    go(page, "Batch")
    wait_for_results(page, 3)
    page.reload()
    wait_for_results(page, 3)
    page.get_by_role("button", name="New batch").click()
    expect(page.get_by_test_id("stFileUploader")).to_be_visible()
    expect(page).not_to_have_url(ADDRESS)
    page.go_back()
    wait_for_results(page, 3)


def test_unknown_batch_is_reported_as_expired(page):
    page.goto("/batch?batch=nowhere")
    expect(page.get_by_test_id("stAlert")).to_contain_text("Upload the photos again")
    expect(page.get_by_test_id("stFileUploader")).to_be_visible()
