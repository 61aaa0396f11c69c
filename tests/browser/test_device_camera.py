"""The viewfinder at ``/device/``, before a camera that shows red, then blue, then grey."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from model.bundle import get_bundle
from tests.browser.accessible import assert_accessible
from tests.browser.conftest import HERE, launch
from tests.browser.device_app import DeviceApp
from tests.browser.drive import COUNT_TRACKS, DESK, PHONE, RED, checked_page, device_headline
from tests.browser.server import framing
from tests.model.tiny import COLOURS, give_samples
from tests.photos import encoded
from tests.waiting import wait_until

SCREENSHOTS = HERE / "screenshots"
FRAMES = 60
TAKE = "ImageCapture.prototype.takePhoto = () =>"
SIZE = "(image) => [image.naturalWidth, image.naturalHeight]"
HIDE = """
(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""

# A phone: two cameras, a torch and a zoom.
PHONE_CAMERAS = """
  const track = MediaStreamTrack.prototype;
  const { getSettings } = track;
  window.applied = [];
  track.getCapabilities = () => ({ torch: true, zoom: { min: 1, max: 2.5 } });
  track.getSettings = function () { return { ...getSettings.call(this), facingMode: facing }; };
  track.applyConstraints = async ({ advanced }) => { applied.push(...advanced); };
  const devices = navigator.mediaDevices;
  const list = devices.enumerateDevices.bind(devices);
  devices.enumerateDevices = async () => (await list()).flatMap((device) => [device, device]);
  const open = devices.getUserMedia;
  devices.getUserMedia = ({ video: { facingMode, ...video } }) => {
    window.facing = facingMode?.ideal ?? "environment";
    return open({ video });
  };
"""

MUTE = """
(isMuted) => {
  const [track] = tracks;
  Object.defineProperty(track, "muted", { value: isMuted, configurable: true });
  track.dispatchEvent(new Event(isMuted ? "mute" : "unmute"));
}
"""


@pytest.fixture(scope="module")
def camera(browser: Browser, chromium: str, tmp_path_factory: Any) -> Iterator[Browser]:
    """A second Chromium, whose camera changes its picture and which asks before opening it."""
    film = tmp_path_factory.mktemp("camera") / "colours.mjpeg"
    frames = [
        encoded(Image.new("RGB", (640, 480), shown), "JPEG")
        for shown in (COLOURS["red"], COLOURS["blue"], (128, 128, 128))
    ]
    film.write_bytes(b"".join(frame * FRAMES for frame in frames))
    with launch(browser.browser_type, chromium, film) as launched:
        yield launched


@pytest.fixture
def visit(camera: Browser, app: DeviceApp) -> Iterator[Callable[..., Page]]:
    """Open the page; with ``allowed``, the browser lets it have the camera without a question."""
    with ExitStack() as stack:

        def come(*scripts: str, allowed: bool = True, url: str = "", **options: Any) -> Page:
            page = stack.enter_context(checked_page(camera, options))
            for script in (COUNT_TRACKS, *scripts):
                page.add_init_script(script)
            if allowed:
                page.context.grant_permissions(["camera"])
            page.goto(url or app.url)
            page.locator(".vf:not([hidden])").wait_for()
            return page

        yield come


@pytest.fixture
def page(visit: Callable[..., Page]) -> Page:
    """Open the page and wait for its camera and its model."""
    opened = visit()
    ready(opened)
    return opened


def shutter(page: Page, name: str = "Take a photo") -> Any:
    return page.locator(".vf-shutter").and_(page.get_by_role("button", name=name))


def ready(page: Page) -> None:
    """Wait until the camera shows its picture and the model is loaded."""
    until(page, "document.querySelector('.vf-video').videoWidth > 0")
    expect(page.locator(".vf-where")).to_have_text("On this device: the photo stays here")


def until(page: Page, condition: str) -> None:
    """Wait for a condition in JavaScript; the page's policy allows no polling inside it."""
    wait_until(lambda: page.evaluate(condition), 20)


def test_camera_is_asked_for_by_a_press_only(visit: Any) -> None:
    page = visit(allowed=False)
    expect(page.locator(".vf-sub").get_by_text("This model knows six things")).to_be_visible()
    assert page.evaluate("tracks.length") == 0
    page.context.grant_permissions(["camera"])
    # The permission alone opens it, as at the next visit.
    ready(page)
    assert page.evaluate("openTracks()") == 1


def test_press_opens_the_camera(visit: Any) -> None:
    query = "navigator.permissions.query = async () => Promise.reject(new TypeError());"
    page = visit(query)
    assert page.evaluate("tracks.length") == 0
    page.get_by_role("button", name="Open the camera").click()
    ready(page)
    assert page.evaluate("openTracks()") == 1


def test_tap_and_space_take_photos_and_escape_goes_back(page: Page) -> None:
    # In a control, Space is the control's.
    page.locator("summary").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name=re.compile("^Full"))).to_be_visible()
    expect(page.locator("[data-screen=camera]")).to_have_count(1)
    page.locator("summary").blur()
    for take in (
        lambda: page.keyboard.press("Space"),
        lambda: shutter(page).click(),
        lambda: page.locator(".vf-square").click(),
    ):
        take()
        expect(shutter(page, "Back to the camera")).to_be_visible()
        expect(device_headline(page)).to_have_text(re.compile("^(Very likely|Probably|None)"))
        page.keyboard.press("Escape")
        expect(device_headline(page)).to_have_text("Point your phone at something")
        expect(shutter(page)).to_be_visible()
    assert page.evaluate("openTracks()") == 1
    recent = page.get_by_role("list", name="This visit").locator("xpath=..")
    expect(recent.get_by_role("listitem")).to_have_count(3)
    recent.get_by_role("listitem").get_by_role("button").first.click()
    expect(shutter(page, "Back to the camera")).to_be_visible()
    page.reload()
    expect(recent.get_by_role("listitem")).to_have_count(3)
    recent.get_by_role("button", name="Clear recent photos").click()
    expect(recent).to_have_count(0)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(f"{TAKE} new Promise(() => {{}});", marks=pytest.mark.slow, id="hangs"),
        pytest.param(f"{TAKE} Promise.reject(new Error('no'));", id="refuses"),
        pytest.param("delete window.ImageCapture;", marks=pytest.mark.slow, id="missing"),
    ],
)
def test_frame_is_cropped_if_the_camera_takes_no_photo(visit: Any, script: str) -> None:
    page = visit(script)
    ready(page)
    shutter(page).click()
    expect(page.get_by_text("Video frame", exact=True)).to_be_visible()
    width, height = page.locator(".vf-image").evaluate(SIZE)
    # The model squashes nothing and crops nothing: the frame is the square of the corners.
    assert abs(width - height) <= 1
    assert width < 640


@pytest.mark.slow
def test_photo_of_the_camera_is_not_cropped(page: Page) -> None:
    shutter(page).click()
    expect(page.get_by_text("Original photo", exact=True)).to_be_visible()
    assert page.locator(".vf-image").evaluate(SIZE) == [640, 480]
    photo = page.locator(".vf-image").bounding_box()
    corners = page.locator(".vf-photo .vf-corners").bounding_box()
    assert corners["width"] == pytest.approx(photo["height"], abs=1)
    assert corners["height"] == pytest.approx(photo["height"], abs=1)
    assert corners["x"] == pytest.approx(photo["x"] + (photo["width"] - photo["height"]) / 2, abs=1)


def test_live_follows_the_camera_and_the_shutter_keeps_the_shown_frame(page: Page) -> None:
    page.get_by_role("button", name="Live", exact=True).click()
    for words in ("Very likely a red", "Very likely a blue", re.compile("^None of the six")):
        expect(device_headline(page)).to_have_text(words)
    expect(page.locator(".vf-percent")).to_be_hidden()
    expect(device_headline(page)).to_have_text("Very likely a red")
    expect(page.locator(".vf-percent")).to_have_text(re.compile(r"^\d+(\.\d)?%$"))
    expect(page.locator(".vf-where")).to_have_text(re.compile("^On this device, "))
    expect(page.locator(".vf-next-label")).to_have_count(2)
    shutter(page, "Keep this answer").click()
    expect(shutter(page, "Back to the camera")).to_be_visible()
    expect(page.get_by_text("Video frame", exact=True)).to_be_visible()
    expect(page.get_by_role("table")).to_be_visible()
    expect(device_headline(page)).to_have_text("Very likely a red")


@pytest.mark.slow
def test_torch_zoom_and_flip_are_shown_only_if_the_camera_has_them(visit: Any) -> None:
    names = ("Torch", re.compile("^Zoom"), "Other camera")
    page = visit()
    ready(page)
    for name in names:
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page = visit(PHONE_CAMERAS)
    ready(page)
    torch, zoom, flip = (page.get_by_role("button", name=name) for name in names)
    torch.click()
    expect(torch).to_have_attribute("aria-pressed", "true")
    for factor in ("1×", "2×", "1×"):
        expect(zoom).to_have_accessible_name(f"Zoom, now {factor}")
        zoom.click()
    expect(zoom).to_have_accessible_name("Zoom, now 2×")
    assert page.evaluate("applied") == [{"torch": True}, {"zoom": 2}, {"zoom": 1}, {"zoom": 2}]
    video = page.locator(".vf-video")
    expect(video).not_to_have_attribute("data-mirrored", "")
    flip.click()
    expect(video).to_have_attribute("data-mirrored", "")
    # Another camera begins without the torch.
    expect(torch).to_have_attribute("aria-pressed", "false")
    flip.click()
    expect(video).not_to_have_attribute("data-mirrored", "")
    assert page.evaluate("[openTracks(), facing]") == [1, "environment"]


@pytest.mark.slow
def test_live_stops_while_muted_and_the_camera_closes_while_hidden(page: Page) -> None:
    live = page.locator(".vf-words[data-live]")
    page.get_by_role("button", name="Live", exact=True).click()
    expect(live).to_have_count(1)
    page.evaluate(MUTE, True)
    paused = page.locator(".vf-sub").get_by_text("The camera is paused by this device.")
    expect(paused).to_be_visible()
    expect(live).to_have_count(0)
    page.evaluate(MUTE, False)
    expect(live).to_have_count(1)
    for _ in range(3):
        page.evaluate(HIDE, True)
        assert page.evaluate("openTracks()") == 0
        page.evaluate(HIDE, False)
        expect(live).to_have_count(1)
        assert page.evaluate("openTracks()") == 1


@pytest.mark.slow
def test_camera_that_ends_is_opened_again(page: Page) -> None:
    page.evaluate("tracks[0].stop(); tracks[0].dispatchEvent(new Event('ended'));")
    until(page, "tracks.length === 2 && openTracks() === 1")
    ready(page)


@pytest.mark.slow
def test_unused_camera_is_closed(visit: Any) -> None:
    page = visit(allowed=False)
    page.clock.install()
    page.reload()
    page.context.grant_permissions(["camera"])
    until(page, "openTracks() === 1")
    page.clock.fast_forward(121_000)
    expect(page.locator(".vf-hint").get_by_text("switched off after two minutes")).to_be_visible()
    assert page.evaluate("openTracks()") == 0
    page.get_by_role("button", name="Open the camera").click()
    until(page, "openTracks() === 1")


def test_camera_that_opens_after_leaving_is_closed(visit: Any, app: DeviceApp) -> None:
    slow = """
      const open = navigator.mediaDevices.getUserMedia;
      navigator.mediaDevices.getUserMedia = async (constraints) => {
        const stream = await open(constraints);
        await new Promise((resolve) => { window.release = resolve; });
        return stream;
      };
    """
    page = visit(slow)
    until(page, "Boolean(window.release)")
    page.evaluate(
        """async () => {
          const { mountViewfinder } = await import("./view/viewfinder.mjs");
          delete window.release;
          window.view = mountViewfinder(document.body, {});
        }"""
    )
    until(page, "Boolean(window.release)")
    page.evaluate("view.unmount(); release();")
    until(page, "tracks.length === 2 && openTracks() === 1")


@pytest.mark.slow
def test_every_reason_has_a_sentence_and_a_next_step(visit: Any, app: DeviceApp) -> None:
    def forbid(route: Route) -> None:
        response = route.fetch()
        headers = {**response.headers, "permissions-policy": "camera=()"}
        route.fulfill(response=response, headers=headers)

    none = "navigator.mediaDevices.enumerateDevices = async () => [];"
    error = (
        "navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{}'); }};"
    )
    cases = [
        (visit(url=app.url.replace("localhost", "phone.test"), allowed=False), "over HTTPS"),
        (visit(none), "has no camera"),
        (visit(error.format("NotAllowedError")), "blocked for this page"),
        (visit(error.format("NotReadableError")), "another app has it"),
        (visit("delete Navigator.prototype.mediaDevices;"), "doesn’t let pages use a camera"),
    ]
    page = visit()
    page.route(app.url, forbid)
    page.reload()
    cases.append((page, "Permissions-Policy"))
    for page, words in cases:
        expect(page.locator(".vf-hint").get_by_text(words)).to_be_visible()
        way = "Choose one" if words == "has no camera" else "Take a photo"
        expect(page.locator(".vf-main:visible")).to_have_text(way)
        assert page.locator("input[capture=environment]").count() == 1
    page, words = cases[0]
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take a photo").click()
    chooser.value.set_files({"name": "red.png", "mimeType": "image/png", "buffer": RED})
    expect(device_headline(page)).to_have_text("Very likely a red")
    shutter(page, "Back to the camera").click()
    expect(page.locator(".vf-hint").get_by_text(words)).to_be_visible()


@pytest.mark.slow
def test_frame_of_another_site_needs_to_allow_the_camera(visit: Any, app: DeviceApp) -> None:
    with framing(app.url, "127.0.0.1", allow="") as outer:
        page = visit()
        page.goto(outer)
        frame = page.frame_locator("iframe")
        expect(frame.locator(".vf-hint").get_by_text("in a tab of its own")).to_be_visible()
        expect(frame.get_by_role("button", name="Take a photo")).to_be_visible()


def test_sample_is_identified(visit: Any) -> None:
    give_samples(get_bundle("colours"), "red")
    page = visit("navigator.mediaDevices.enumerateDevices = async () => [];")
    page.get_by_role("button", name="Only red").click()
    expect(page.locator("[data-screen=answer]")).to_have_count(1)
    expect(page.get_by_role("img", name="Only red")).to_be_visible()


def show(page: Page, screen: str) -> None:
    """Go to a screen, with its picture and words in place."""
    if screen == "empty":
        expect(page.get_by_role("button", name="Open the camera")).to_be_visible()
        return
    ready(page)
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


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_fits_and_is_accessible(visit: Any, look: str) -> None:
    size, colours, text = LOOKS[look]
    script = f"""addEventListener("DOMContentLoaded", () => {{
      document.documentElement.style.fontSize = "{text:%}";
    }});"""
    for screen in ("empty", "camera", "live", "answer"):
        page = visit(script, allowed=screen != "empty", viewport=size, color_scheme=colours)
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
