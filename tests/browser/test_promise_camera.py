"""The promise about the photo with the camera: what leaves, and what the screen says."""

import re
from io import BytesIO

import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Route, expect

from tests.browser.drive import DESK, LOADING_MS, correct, give, go, headline, shutter, source_line
from tests.browser.drive_promise import Visit, answered, ask, press, ready, select
from tests.model.tiny import colour
from tests.photos import encoded
from tests.waiting import wait_until

SLOW_CAMERA = """
window.isTaken = false;
ImageCapture.prototype.takePhoto = async function () {
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const photo = await new Promise((resolve) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
    const context = canvas.getContext("2d");
    context.fillStyle = "red";
    context.fillRect(0, 0, 64, 64);
    canvas.toBlob(resolve, "image/jpeg");
  });
  setTimeout(() => { window.isTaken = true; }, 500);
  return photo;
};
"""
NO_MEMORY = """
delete window.ImageCapture;
const { toBlob } = HTMLCanvasElement.prototype;
HTMLCanvasElement.prototype.toBlob = function (done) {
  HTMLCanvasElement.prototype.toBlob = toBlob;
  done(null);
};
"""
KEEP_COPY = """
() => {
  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = async function (form) {
    window.copy = [...new Uint8Array(await form.get("photo").arrayBuffer())];
    send.call(this, form);
  };
}
"""
DESK_WITH_CAMERA = {"viewport": DESK, "permissions": ["camera"]}

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("is_far", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_photo_stays_if_its_page_is_left(visit: Visit, is_far: bool) -> None:
    page, log = visit("auto", SLOW_CAMERA, is_far=is_far, **DESK_WITH_CAMERA)
    ready(page)
    shutter(page).click()
    go(page, "About")
    page.wait_for_function("window.isTaken")
    assert log.check() == []
    go(page, "Identify")
    ready(page)
    # The model is still loaded, but the camera opens again.
    video = page.locator(".vf-video")
    wait_until(lambda: video.evaluate("({ readyState }) => readyState") > 1, 20)
    shutter(page).click()
    answered(page, "On this device in .*; sent: numbers only")
    assert log.check() == []


def test_other_model_asks_before_it_gets_a_photo_being_taken(visit: Visit) -> None:
    page, log = visit("auto", SLOW_CAMERA, **DESK_WITH_CAMERA)
    ready(page)
    # Keep the other model from becoming ready during the test.
    page.route("**/models/scripts/*.onnx*", lambda _: None)
    shutter(page).click()
    select(page, "scripts")
    ask(page, "On this device", "On the server", "Don’t send it")
    assert log.check() == []
    press(page, "On the server")
    expect(headline(page)).to_contain_text("أحمر")
    expect(source_line(page)).to_contain_text(re.compile("On the server in .*; sent: .* of pixels"))
    assert log.check() == ["pixels"]


def test_upload_cancelled_immediately_is_reported(visit: Visit) -> None:
    page, log = visit("auto", **DESK_WITH_CAMERA)
    models: list[Route] = []
    page.route("**/*.onnx*", lambda route: models.append(route))  # noqa: PLW0108
    page.reload()
    expect(source_line(page)).to_contain_text("A photo already works", timeout=LOADING_MS)
    page.route("**/api/v1/identify?*pixels=*", lambda _: None)
    with page.expect_request("**/api/v1/identify?*pixels=*"):
        shutter(page).click()
    source_line(page).click()
    page.get_by_role("button", name=re.compile("^This device")).click()
    page.unroute("**/*.onnx*")
    for route in models:
        route.continue_()
    sent = re.compile(r"On this device in .*; sent: \d+ kB of pixels")
    expect(source_line(page)).to_contain_text(sent, timeout=LOADING_MS)
    assert log.check() == ["pixels"]


def test_frame_that_cannot_be_encoded_leaves_the_shutter_alive(visit: Visit) -> None:
    page, log = visit("auto", NO_MEMORY, **DESK_WITH_CAMERA)
    ready(page)
    shutter(page).click()
    expect(page.locator(".vf-alert")).to_have_text("The photo couldn’t be taken. Try again.")
    shutter(page).click()
    expect(source_line(page)).to_contain_text(" in ")
    assert log.check() == []


def test_correction_sends_a_small_copy_without_place_and_time(visit: Visit) -> None:
    page, log = visit("device")
    ready(page)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    photo = colour("red").resize((1600, 1200))
    give(page, encoded(photo, "JPEG", exif=exif))
    answered(page, "On this device in")
    page.evaluate(KEEP_COPY)
    correct(page, "rose", sends_copy=True)
    copy = Image.open(BytesIO(bytes(page.evaluate("window.copy"))))
    assert (copy.format, copy.size, dict(copy.getexif())) == ("JPEG", (750, 1000), {})
    assert log.check() == ["correction"]
