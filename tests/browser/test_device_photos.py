"""Photos and live answers at ``/device/``; the camera shows red, then blue, then grey."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from model.bundle import get_bundle
from tests.browser import drive
from tests.browser.accessible import check_look
from tests.model.tiny import give_samples

TAKE = "ImageCapture.prototype.takePhoto = () =>"
SIZE = "(image) => [image.naturalWidth, image.naturalHeight]"


@pytest.mark.quick
def test_tap_and_space_take_photos_and_escape_goes_back(view: Page) -> None:
    # Space operates a focused control, not the shutter.
    view.locator("summary").focus()
    view.keyboard.press("Space")
    expect(view.get_by_role("radio", name=re.compile("^Full"))).to_be_visible()
    expect(view.locator("[data-screen=camera]")).to_have_count(1)
    view.locator("summary").blur()
    for take in (
        lambda: view.keyboard.press("Space"),
        lambda: drive.shutter(view).click(),
        lambda: view.locator(".vf-square").click(),
    ):
        take()
        expect(drive.shutter(view, "Back to the camera")).to_be_visible()
        expect(drive.device_headline(view)).to_have_text(re.compile("^(Very likely|Probably|None)"))
        view.keyboard.press("Escape")
        expect(drive.device_headline(view)).to_have_text(drive.GREETING)
        expect(drive.shutter(view)).to_be_visible()
    assert view.evaluate("openTracks()") == 1
    recent = view.get_by_role("list", name="This visit").locator("xpath=..")
    expect(recent.get_by_role("listitem")).to_have_count(3)
    recent.get_by_role("listitem").get_by_role("button").first.click()
    expect(drive.shutter(view, "Back to the camera")).to_be_visible()
    view.reload()
    expect(recent.get_by_role("listitem")).to_have_count(3)
    recent.get_by_role("button", name="Clear recent photos").click()
    expect(recent).to_have_count(0)


@pytest.mark.quick
def test_photos_that_cannot_be_deleted_are_reported(open_device: Any) -> None:
    page = open_device(kept=False)
    drive.identify_red(page)
    page.evaluate("() => { IDBDatabase.prototype.transaction = () => { throw new Error(); }; }")
    page.get_by_role("button", name="Clear recent photos").click()
    expect(page.get_by_text("This browser couldn’t delete the recent photos.")).to_be_visible()


@pytest.mark.quick
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(f"{TAKE} new Promise(() => {{}});", marks=pytest.mark.slow, id="hangs"),
        pytest.param(f"{TAKE} Promise.reject(new Error('no'));", id="refuses"),
        pytest.param("delete window.ImageCapture;", marks=pytest.mark.slow, id="missing"),
        pytest.param("", marks=pytest.mark.slow, id="taken"),
    ],
)
def test_frame_is_cropped_if_the_camera_takes_no_photo(open_camera: Any, script: str) -> None:
    page = open_camera(script)
    drive.camera_ready(page)
    drive.shutter(page).click()
    source = "Video frame" if script else "Original photo"
    expect(page.get_by_text(source, exact=True)).to_be_visible()
    width, height = page.locator(".vf-image").evaluate(SIZE)
    if script:
        # The model squashes nothing and crops nothing: the frame is the square of the corners.
        assert abs(width - height) <= 1
        assert width < 640
        return
    assert (width, height) == (640, 480)
    photo = page.locator(".vf-image").bounding_box()
    corners = page.locator(".vf-photo .vf-corners").bounding_box()
    assert corners["width"] == pytest.approx(photo["height"], abs=1)
    assert corners["height"] == pytest.approx(photo["height"], abs=1)
    assert corners["x"] == pytest.approx(photo["x"] + (photo["width"] - photo["height"]) / 2, abs=1)


def test_live_follows_the_camera_and_the_shutter_keeps_the_shown_frame(view: Page) -> None:
    view.get_by_role("button", name="Live", exact=True).click()
    for words in (drive.IS_RED, "Very likely a blue", re.compile("^None of the six")):
        expect(drive.device_headline(view)).to_have_text(words)
    expect(view.locator(".vf-percent")).to_be_hidden()
    expect(drive.device_headline(view)).to_have_text(drive.IS_RED)
    expect(view.locator(".vf-percent")).to_have_text(re.compile(r"^\d+(\.\d)?%$"))
    expect(view.locator(".vf-where")).to_have_text(re.compile("^On this device, "))
    expect(view.locator(".vf-next-label")).to_have_count(2)
    drive.shutter(view, "Keep this answer").click()
    expect(drive.shutter(view, "Back to the camera")).to_be_visible()
    expect(view.get_by_text("Video frame", exact=True)).to_be_visible()
    expect(view.get_by_role("table")).to_be_visible()
    expect(drive.device_headline(view)).to_have_text(drive.IS_RED)


@pytest.mark.quick
def test_sample_is_identified(open_camera: Any) -> None:
    give_samples(get_bundle("colours"), "red")
    page = open_camera(drive.NO_CAMERA)
    page.get_by_role("button", name="Only red").click()
    expect(page.locator("[data-screen=answer]")).to_have_count(1)
    expect(page.get_by_role("img", name="Only red")).to_be_visible()


LOOKS = {
    "phone-light": (drive.PHONE, "light", 1),
    "phone-dark": (drive.PHONE, "dark", 1),
    "phone-large": (drive.PHONE, "light", 2),
    "short-light": ({"width": 390, "height": 660}, "light", 1),
    "desk-dark": (drive.DESK, "dark", 1),
}
"""Size of the screen, colours, and size of the text."""
SMALL = """
() => [...document.querySelectorAll("button, select, summary, label")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44)
  .map((one) => one.outerHTML)
"""


@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_fits_and_is_accessible(open_camera: Any, look: str) -> None:
    size, colours, text = LOOKS[look]
    script = f"""addEventListener("DOMContentLoaded", () => {{
      document.documentElement.style.fontSize = "{text:%}";
    }});"""
    page = open_camera(script, allowed=False, viewport=size, color_scheme=colours)

    def check(screen: str, main: str = ".vf-shutter") -> None:
        box, words = (page.locator(name).bounding_box() for name in (main, ".vf-words"))
        assert box["y"] + box["height"] <= size["height"]
        if text == 1:
            check_look(page, f"viewfinder-{screen}")
        else:
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            assert words["y"] + words["height"] <= box["y"]

    expect(page.get_by_role("button", name="Open the camera")).to_be_visible()
    links = page.get_by_role("navigation", name="Pages")
    expect(links.locator("[aria-current=page]")).to_have_text("Identify")
    box = links.bounding_box()
    end = pytest.approx(44, abs=2) if size == drive.DESK else size["height"]
    assert text > 1 or box["y"] + box["height"] == end
    check("empty", ".vf-main:visible")
    page.context.grant_permissions(["camera"])
    drive.camera_ready(page)
    check("camera")
    page.get_by_role("button", name="Live", exact=True).click()
    expect(drive.device_headline(page)).to_have_text("Very likely a blue")
    check("live")
    page.get_by_role("button", name="Photo", exact=True).click()
    drive.shutter(page).click()
    why = page.get_by_role("button", name="Why?")
    expect(why).to_be_visible()
    check("answer")
    if text > 1:
        return
    page.get_by_text("This device", exact=True).click()
    assert page.evaluate(SMALL) == []
    why.click()
    expect(page.locator(".vf-spotlight")).to_be_visible()
    check("why")
    drive.give_device(page, drive.GREY)
    expect(drive.device_headline(page)).to_have_text(re.compile("^None of the six things I know"))
    check("none")
    drive.give_device(page, b"no photo at all")
    expect(page.get_by_role("alert")).not_to_be_empty()
    check("refusal")
