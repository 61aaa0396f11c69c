"""The page without the viewfinder, and hosts without ``st.App``, where there is no other."""

import base64
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect

from tests.browser import drive
from tests.browser.server import framing, serving
from tests.photos import encoded
from ui.navigation import PAGES

COFFEE = ("espresso", "cup", "coffee mug")
COPY = """async (text) => {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const blob = new Blob([bytes], {type: 'image/png'});
  await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
}"""


@pytest.mark.quick
def test_photos_are_uploaded_pasted_and_taken_one_after_the_other(page):
    page.goto(drive.PLAIN)
    drive.attach(
        page, encoded(drive.sample("cat").open().convert("RGB"), "HEIF"), "cat without a suffix"
    )
    assert "cat" in drive.wait_for_plain_answer(page)
    # The uploader is empty again.
    expect(page.get_by_test_id("stFileUploaderFile")).to_have_count(0)
    drive.attach(page, encoded(drive.sample("coffee").open().convert("RGB")))
    drive.wait_for_plain_answer(page, *COFFEE)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(COPY, base64.b64encode(drive.sample("cat").read()).decode())
    # Each answer brings a new uploader.
    drive.wait_until_drawn(page)
    drive.uploader(page).focus()
    page.keyboard.press("Control+V")
    expect(drive.headline(page)).to_contain_text("cat")
    drive.wait_until_drawn(page)
    take_photo(page)
    drive.wait_for_plain_answer(page, *COFFEE)
    expect(page.get_by_role("img", name="The photo you took")).to_be_visible()


def take_photo(screen):
    """Take a photo with Streamlit's camera as soon as it shows a frame; before, it is black."""
    screen.get_by_role("radio", name="Camera").click()
    screen.get_by_test_id("stCameraInput").locator("video").evaluate(
        "video => new Promise(resolve => video.requestVideoFrameCallback(resolve))"
    )
    screen.get_by_test_id("stCameraInputButton").click()


@pytest.mark.quick
def test_keyboard_reaches_the_uploader_and_the_samples(page):
    page.goto(drive.PLAIN)
    upload = drive.uploader(page)
    upload.wait_for()
    drive.tab_to(page, upload)
    page.goto("/?way=Sample")
    coffee = page.get_by_role("button", name="Coffee", exact=True)
    coffee.wait_for()
    drive.tab_to(page, coffee)
    page.keyboard.press("Enter")
    drive.wait_for_plain_answer(page, *COFFEE)


def test_camera_over_plain_http_explains_and_offers_upload(page, server):
    page.goto(server.url.replace("localhost", "phone.test") + "/?way=Camera")
    notice = page.get_by_test_id("stAlert")
    expect(notice).to_contain_text("only allow camera access over HTTPS")
    expect(page.get_by_test_id("stCameraInput")).to_have_count(0)
    page.get_by_text("Upload", exact=True).click()
    drive.attach(page, drive.sample("coffee").read(), "coffee.png")
    drive.wait_for_plain_answer(page, *COFFEE)


def test_plain_script_identifies_under_a_prefix_and_every_link_works(browser, tmp_path):
    # Browsers send a frame of another site no cookie, so Streamlit's check is off.
    options = ["--server.enableXsrfProtection=false"]
    with (
        serving(tmp_path, plain=True, prefix="some/prefix", options=options) as server,
        framing(f"{server.url}/", "127.0.0.1") as address,
        drive.checked_page(browser, {}) as page,
    ):
        with urlopen(f"{server.url}/api/ready") as response:
            assert "<title>Streamlit</title>" in response.read().decode()
        # Until the first page is opened, Streamlit takes pages/ for an app without st.navigation.
        page.goto(f"{server.url}/models")
        drive.wait_until_drawn(page)
        expect(page.get_by_test_id("stMain").locator("h2").first).to_be_visible()
        page.goto(server.url)
        drive.attach(page, drive.sample("coffee").read(), "coffee.png")
        drive.wait_for_plain_answer(page, *COFFEE)
        first, *others = PAGES.values()
        for title in (first, *others):
            drive.go(page, title)
            model = "A thousand everyday things"
            expect(page).to_have_title(model if title == first else f"{title} · {model}")
            drive.wait_until_drawn(page)
            alerts = page.get_by_test_id("stMain").get_by_test_id("stAlert")
            # Errors in a model's card aren't the app's.
            expect(alerts.filter(has_not_text="What it doesn't notice")).to_have_count(0)
            # No link leads to a route that only st.App has.
            links = page.locator("a[href]").evaluate_all("links => links.map((one) => one.href)")
            own = {urlsplit(link).path for link in links if link.startswith(server.url)}
            paths = {path.removeprefix("/some/prefix") for path in own}
            assert paths <= {"", "/", *(f"/{name}" for name in PAGES)}
        page.goto(address)
        frame = page.frame_locator("iframe")
        # Not the camera's subject, so that this answer can't pass for the camera's.
        drive.attach(frame, drive.sample("cat").read(), "cat.png")
        assert "cat" in drive.wait_for_plain_answer(frame)
        take_photo(frame)
        drive.wait_for_plain_answer(frame, *COFFEE)
        drive.go(frame, "Models")
        expect(drive.headline(frame)).to_have_text("Models")
        # The log holds no visitor's address.
        assert "127.0.0.1" not in server.log()
        assert not server.tracebacks()
