"""The way from a model to a host's files: choose, fill in, download, unzip."""

import io
import re
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessible import TWO_LOOKS, check_drawn, options_of
from tests.browser.drive import PHONE, checked_page, sign_in, wait_until_drawn
from tests.browser.server import serving
from tests.model.tiny import tiny
from tests.pages.hostile import LABELS

NEEDS = "knows=Somewhat&budget=A+few+dollars&must=Photos+stay+on+a+machine+I+control"
"""Answers in the address, and a filter."""

HOSTILE = " ".join(LABELS[:6])[:190]


@pytest.fixture(scope="module")
def owner(chromium, tmp_path_factory):
    """The app with two models of one's own; the text of the newest attacks the page."""
    folder = tmp_path_factory.mktemp("owner")
    tiny(folder / "data" / "models", "apples", title="Apples")
    tiny(folder / "data" / "models", "mushrooms", title=HOSTILE)
    with serving(folder) as server:
        yield server


def open_host(page):
    """Open the steps of a host in the list; return its button for a download."""
    title = "A server with Docker Compose"
    row = page.get_by_test_id("stExpander").filter(has=page.get_by_text(title, exact=True))
    row.get_by_text(title, exact=True).click()
    button = page.get_by_role("button", name=f"Download files for {title}")
    for _ in range(3):
        row.get_by_text("Steps and files").click()
        # Streamlit loses a click that comes while it draws the page again.
        with suppress(AssertionError):
            expect(button).to_be_visible(timeout=5000)
            break
    wait_until_drawn(page)
    expect(button).to_be_visible()
    return button


def test_download_holds_the_chosen_model_and_commands_are_copied(browser, owner):
    permissions = ["clipboard-read", "clipboard-write"]
    options = {"base_url": owner.url, "viewport": PHONE, "permissions": permissions}
    with checked_page(browser, options) as page:
        sign_in(page, owner)
        page.goto(f"/deploy?deployed=apples&{NEEDS}")
        expect(page.get_by_text("Model: Apples")).to_be_visible()
        page.get_by_text("Change", exact=True).click()
        caption = page.get_by_text("MB to deploy").inner_text()
        version = re.search(r"Version ([0-9a-f]{12})", caption)
        files = open_host(page)
        page.get_by_label("The domain of the app").fill("apples.example.org")
        page.keyboard.press("Enter")
        expect(page.get_by_text("echo SITE=apples.example.org")).to_be_visible()
        expect(page.get_by_text("Unzip the download")).to_be_visible()
        wait_until_drawn(page)
        with page.expect_download() as download:
            files.click()
        data = Path(download.value.path()).read_bytes()
        page.goto("/deploy?deployed=apples")
        page.get_by_role("button", name="Copy all three").click()
        expect(page.get_by_text("Copied.")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()").splitlines() == [
            "python -m deploy show static --model apples",
            "python -m deploy write static --model apples",
            "python -m deploy check static",
        ]
        page.get_by_role("button", name="Copy: 3 Check them").click()
        check = "async () => (await navigator.clipboard.readText()).endsWith('t check static')"
        page.wait_for_function(f"({check})().then((isIt) => isIt)")
        # Commands break between words; those in a closed row have no height.
        heights = page.locator("code span").evaluate_all("all => all.map((it) => it.offsetHeight)")
        assert set(heights) - {0} == {20}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert b"LOUPE_MODEL: apples" in archive.read("compose.yaml")
        assert not [name for name in archive.namelist() if name.endswith(".safetensors")]
        manifest = owner.data / "models" / "apples" / version[1] / "bundle.json"
        assert archive.read("bundles/apples/bundle.json") == manifest.read_bytes()
    assert not owner.tracebacks()


@pytest.mark.parametrize("look", TWO_LOOKS)
def test_page_with_own_models_is_readable(browser, owner, look):
    with checked_page(browser, {"base_url": owner.url, **options_of(look)}) as page:
        sign_in(page, owner)
        page.goto(f"/deploy?{NEEDS}")
        expect(page.get_by_role("button", name="Copy all three")).to_be_visible()
        check_drawn(page, "deploy-own")
        expect(page.get_by_text("Model: ")).to_contain_text("**bold** and _slanted_")
        attacks = 'img[src="x"], a[href^="javascript"], [onerror], script, .katex'
        assert page.get_by_test_id("stMain").locator(attacks).count() == 0
        open_host(page)
        page.mouse.move(0, 0)
        page.get_by_label("The domain of the app").scroll_into_view_if_needed()
        check_drawn(page, "deploy-steps")
