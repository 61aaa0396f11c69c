"""A batch has an address of its own: a reload and a lost tab come back to it."""

import re
from io import BytesIO

from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.drive import DESK, PHONE, go, headline, wait_until_drawn

PHOTOS = 24
ADDRESS = re.compile(r"[?&]batch=[\w-]{22}")


def upload(page: Page) -> None:
    """Upload drawings: small files that take a while to decode."""
    file = BytesIO()
    Image.new("RGB", (4000, 4000), "teal").save(file, "PNG")
    photo = file.getvalue()
    names = [f"{index}.png" for index in range(PHOTOS)]
    files = [FilePayload(name=name, mimeType="image/png", buffer=photo) for name in names]
    page.get_by_test_id("stMain").locator("input[type=file]").set_input_files(files)
    expect(page).to_have_url(ADDRESS)


def wait_for_results(page: Page) -> None:
    expect(headline(page)).to_have_text(f"{PHOTOS} of {PHOTOS} photos identified", timeout=60_000)
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()


def go_back_to_models(page: Page) -> None:
    """Press Back once, or twice if Streamlit added the address after the page change."""
    page.go_back()
    expect(headline(page)).to_have_text(re.compile("Models|photos identified"))
    try:
        expect(headline(page)).to_have_text("Models", timeout=3000)
    except AssertionError:
        page.go_back()
        expect(headline(page)).to_have_text("Models")


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


def test_reload_another_tab_other_pages_and_back_return_to_the_batch(page, visitor):
    page.goto("/batch")
    wait_until_drawn(page)
    upload(page)
    stop = page.get_by_role("button", name="Stop and keep results")
    expect(stop).to_be_visible()
    go(page, "Models")
    expect(headline(page)).to_have_text("Models")
    go(page, "Batch")
    expect(stop).to_be_visible()
    page.reload()
    wait_for_results(page)
    page.reload()
    wait_for_results(page)
    # A tab of another browser, as after a lost one.
    other = visitor(viewport=PHONE)
    other.goto(page.url)
    wait_for_results(other)
    go(page, "Models")
    expect(headline(page)).to_have_text("Models")
    go(page, "Batch")
    wait_for_results(page)
    # The address is back, so that a reload finds the batch.
    expect(page).to_have_url(ADDRESS)
    go_back_to_models(page)
    go(page, "Batch")
    wait_for_results(page)
    page.get_by_role("button", name="New batch").click()
    expect(page.get_by_test_id("stFileUploader")).to_be_visible()
    expect(page).not_to_have_url(ADDRESS)
    page.go_back()
    wait_for_results(page)
