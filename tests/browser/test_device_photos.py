"""Photos and live answers at ``/device/``; the camera shows red, then blue, then grey."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from model.bundle import get_bundle
from tests.browser.accessible import assert_accessible
from tests.browser.conftest import HERE
from tests.browser.drive import (
    DESK,
    GREETING,
    PHONE,
    camera_ready,
    device_headline,
    identify_red,
    shutter,
)
from tests.model.tiny import give_samples

SCREENSHOTS = HERE / "screenshots"
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
        lambda: shutter(view).click(),
        lambda: view.locator(".vf-square").click(),
    ):
        take()
        expect(shutter(view, "Back to the camera")).to_be_visible()
        expect(device_headline(view)).to_have_text(re.compile("^(Very likely|Probably|None)"))
        view.keyboard.press("Escape")
        expect(device_headline(view)).to_have_text(GREETING)
        expect(shutter(view)).to_be_visible()
    assert view.evaluate("openTracks()") == 1
    recent = view.get_by_role("list", name="This visit").locator("xpath=..")
    expect(recent.get_by_role("listitem")).to_have_count(3)
    recent.get_by_role("listitem").get_by_role("button").first.click()
    expect(shutter(view, "Back to the camera")).to_be_visible()
    view.reload()
    expect(recent.get_by_role("listitem")).to_have_count(3)
    recent.get_by_role("button", name="Clear recent photos").click()
    expect(recent).to_have_count(0)


@pytest.mark.quick
def test_photos_that_cannot_be_deleted_are_reported(open_device: Any) -> None:
    page = open_device(kept=False)
    identify_red(page)
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
    ],
)
def test_frame_is_cropped_if_the_camera_takes_no_photo(open_camera: Any, script: str) -> None:
    page = open_camera(script)
    camera_ready(page)
    shutter(page).click()
    expect(page.get_by_text("Video frame", exact=True)).to_be_visible()
    width, height = page.locator(".vf-image").evaluate(SIZE)
    # The model squashes nothing and crops nothing: the frame is the square of the corners.
    assert abs(width - height) <= 1
    assert width < 640


def test_photo_of_the_camera_is_not_cropped(view: Page) -> None:
    shutter(view).click()
    expect(view.get_by_text("Original photo", exact=True)).to_be_visible()
    assert view.locator(".vf-image").evaluate(SIZE) == [640, 480]
    photo = view.locator(".vf-image").bounding_box()
    corners = view.locator(".vf-photo .vf-corners").bounding_box()
    assert corners["width"] == pytest.approx(photo["height"], abs=1)
    assert corners["height"] == pytest.approx(photo["height"], abs=1)
    assert corners["x"] == pytest.approx(photo["x"] + (photo["width"] - photo["height"]) / 2, abs=1)


def test_live_follows_the_camera_and_the_shutter_keeps_the_shown_frame(view: Page) -> None:
    view.get_by_role("button", name="Live", exact=True).click()
    for words in ("Very likely a red", "Very likely a blue", re.compile("^None of the six")):
        expect(device_headline(view)).to_have_text(words)
    expect(view.locator(".vf-percent")).to_be_hidden()
    expect(device_headline(view)).to_have_text("Very likely a red")
    expect(view.locator(".vf-percent")).to_have_text(re.compile(r"^\d+(\.\d)?%$"))
    expect(view.locator(".vf-where")).to_have_text(re.compile("^On this device, "))
    expect(view.locator(".vf-next-label")).to_have_count(2)
    shutter(view, "Keep this answer").click()
    expect(shutter(view, "Back to the camera")).to_be_visible()
    expect(view.get_by_text("Video frame", exact=True)).to_be_visible()
    expect(view.get_by_role("table")).to_be_visible()
    expect(device_headline(view)).to_have_text("Very likely a red")


@pytest.mark.quick
def test_sample_is_identified(open_camera: Any) -> None:
    give_samples(get_bundle("colours"), "red")
    page = open_camera("navigator.mediaDevices.enumerateDevices = async () => [];")
    page.get_by_role("button", name="Only red").click()
    expect(page.locator("[data-screen=answer]")).to_have_count(1)
    expect(page.get_by_role("img", name="Only red")).to_be_visible()


def show(page: Page, screen: str) -> None:
    """Go to a screen, with its picture and words in place."""
    if screen == "empty":
        expect(page.get_by_role("button", name="Open the camera")).to_be_visible()
        return
    camera_ready(page)
    if screen == "live":
        page.get_by_role("button", name="Live", exact=True).click()
        expect(device_headline(page)).to_have_text("Very likely a blue")
    elif screen == "answer":
        shutter(page).click()
        expect(page.get_by_role("button", name="Why?")).to_be_visible()


LOOKS = {
    "phone-light": (PHONE, "light", 1),
    "phone-dark": (PHONE, "dark", 1),
    "phone-large": (PHONE, "light", 2),
    "short-light": ({"width": 390, "height": 660}, "light", 1),
    "short-dark": ({"width": 390, "height": 660}, "dark", 1),
    "desk-light": (DESK, "light", 1),
    "desk-dark": (DESK, "dark", 1),
}
"""Size of the screen, colours, and size of the text."""


@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_fits_and_is_accessible(open_camera: Any, look: str) -> None:
    size, colours, text = LOOKS[look]
    script = f"""addEventListener("DOMContentLoaded", () => {{
      document.documentElement.style.fontSize = "{text:%}";
    }});"""
    for screen in ("empty", "camera", "live", "answer"):
        page = open_camera(script, allowed=screen != "empty", viewport=size, color_scheme=colours)
        show(page, screen)
        page.screenshot(path=SCREENSHOTS / f"viewfinder-{screen}-{look}.png")
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        main = page.locator(".vf-main:visible" if screen == "empty" else ".vf-shutter")
        box, words = main.bounding_box(), page.locator(".vf-words").bounding_box()
        assert box["y"] + box["height"] <= size["height"]
        if text == 1:
            assert_accessible(page)
        else:
            assert words["y"] + words["height"] <= box["y"]
        page.context.close()
