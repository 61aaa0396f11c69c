"""The plain page: upload, paste, camera, samples, keyboard."""

import base64

import pytest
from playwright.sync_api import expect

from tests.browser.drive import (
    PLAIN,
    attach,
    press_shutter,
    sample,
    uploader,
    wait_for_plain_answer,
)
from tests.photos import encoded

COFFEE = ("espresso", "cup", "coffee mug")

pytestmark = pytest.mark.quick


def test_camera_photo_is_identified(page):
    page.goto("/?way=Camera")
    press_shutter(page)
    wait_for_plain_answer(page, *COFFEE)
    expect(page.get_by_role("img", name="The photo you took")).to_be_visible()


def test_uploads_are_identified_one_after_the_other(page):
    page.goto(PLAIN)
    attach(page, encoded(sample("cat").open().convert("RGB"), "HEIF"), "cat without a suffix")
    assert "cat" in wait_for_plain_answer(page)
    # The uploader is ready for the next one, and holds no file.
    expect(page.get_by_test_id("stFileUploaderFile")).to_have_count(0)
    attach(page, encoded(sample("coffee").open().convert("RGB")))
    wait_for_plain_answer(page, *COFFEE)


def test_pasted_picture_is_identified(page):
    page.goto(PLAIN)
    button = uploader(page)
    button.wait_for()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async (text) => {
          const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
          const blob = new Blob([bytes], {type: 'image/png'});
          await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
        }""",
        base64.b64encode(sample("coffee").read()).decode(),
    )
    button.focus()
    page.keyboard.press("Control+V")
    wait_for_plain_answer(page, *COFFEE)


def test_keyboard_reaches_the_uploader_and_the_samples(page):
    page.goto(PLAIN)
    upload = uploader(page)
    upload.wait_for()
    tab_to(page, upload)
    page.goto("/?way=Sample")
    coffee = page.get_by_role("button", name="Coffee", exact=True)
    coffee.wait_for()
    tab_to(page, coffee)
    page.keyboard.press("Enter")
    wait_for_plain_answer(page, *COFFEE)


def tab_to(page, target):
    for _ in range(30):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("The Tab key does not reach the target.")


def test_camera_over_plain_http_explains_and_offers_upload(page, server):
    page.goto(server.url.replace("localhost", "phone.test") + "/?way=Camera")
    notice = page.get_by_test_id("stAlert")
    expect(notice).to_contain_text("only allow camera access over HTTPS")
    expect(page.get_by_test_id("stCameraInput")).to_have_count(0)
    page.get_by_text("Upload", exact=True).click()
    attach(page, sample("coffee").read(), "coffee.png")
    wait_for_plain_answer(page, *COFFEE)
