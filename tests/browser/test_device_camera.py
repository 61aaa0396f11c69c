"""The camera at ``/device/``: asked for, its controls, closed and opened again, or missing."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import drive
from tests.browser.device_app import DeviceApp
from tests.browser.server import framing

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

DENY = """
navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("", "NotAllowedError");
};
"""


@pytest.mark.quick
def test_permission_or_a_press_opens_the_camera(open_camera: Any) -> None:
    asked = open_camera(allowed=False)
    # This browser doesn't tell whether it would ask.
    unknown = open_camera("navigator.permissions.query = async () => { throw new TypeError(); };")
    for page in (asked, unknown):
        expect(page.locator(".vf-sub").get_by_text("This model knows six things")).to_be_visible()
        assert page.evaluate("tracks.length") == 0
    # The permission alone opens it, as at the next visit.
    asked.context.grant_permissions(["camera"])
    unknown.get_by_role("button", name="Open the camera").click()
    for page in (asked, unknown):
        drive.camera_ready(page)
        assert page.evaluate("openTracks()") == 1


def test_torch_zoom_and_flip_are_shown_only_if_the_camera_has_them(open_camera: Any) -> None:
    names = ("Torch", re.compile("^Zoom"), "Other camera")
    page = open_camera()
    drive.camera_ready(page)
    for name in names:
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page = open_camera(PHONE_CAMERAS)
    drive.camera_ready(page)
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


def test_live_stops_while_muted_and_the_camera_closes_while_hidden(view: Page) -> None:
    live = view.locator(".vf-words[data-live]")
    view.get_by_role("button", name="Live", exact=True).click()
    expect(live).to_have_count(1)
    view.evaluate(MUTE, True)
    paused = view.locator(".vf-sub").get_by_text("The camera is paused by this device.")
    expect(paused).to_be_visible()
    expect(live).to_have_count(0)
    view.evaluate(MUTE, False)
    expect(live).to_have_count(1)
    for _ in range(3):
        view.evaluate(HIDE, True)
        assert view.evaluate("openTracks()") == 0
        view.evaluate(HIDE, False)
        expect(live).to_have_count(1)
        assert view.evaluate("openTracks()") == 1
    # A camera that ends is opened again.
    view.evaluate("tracks.at(-1).stop(); tracks.at(-1).dispatchEvent(new Event('ended'));")
    drive.until(view, "tracks.length === 5 && openTracks() === 1")
    expect(live).to_have_count(1)


def test_unused_camera_is_closed(open_camera: Any) -> None:
    page = open_camera(allowed=False)
    page.clock.install()
    page.reload()
    page.context.grant_permissions(["camera"])
    drive.until(page, "openTracks() === 1")
    page.clock.fast_forward(121_000)
    expect(page.locator(".vf-hint").get_by_text("switched off after two minutes")).to_be_visible()
    assert page.evaluate("openTracks()") == 0
    page.get_by_role("button", name="Open the camera").click()
    drive.until(page, "openTracks() === 1")


@pytest.mark.quick
def test_camera_that_opens_after_leaving_is_closed(open_camera: Any, app: DeviceApp) -> None:
    slow = """
      const open = navigator.mediaDevices.getUserMedia;
      navigator.mediaDevices.getUserMedia = async (constraints) => {
        const stream = await open(constraints);
        await new Promise((resolve) => { window.release = resolve; });
        return stream;
      };
    """
    page = open_camera(slow)
    drive.until(page, "Boolean(window.release)")
    page.evaluate(
        """async () => {
          const { mountViewfinder } = await import("./view/viewfinder.mjs");
          delete window.release;
          const { Visit } = await import("./visit/open_visit.mjs");
          const model = { name: "x", title: "X", knows: [], samples: [], downloads: true };
          const host = { models: [model], model: "x", run: "device", folder: "./", top: 5 };
          const visit = new Visit({ ...host, server: null, prefix: "x", recent: "session" });
          window.view = mountViewfinder(document.body, visit, {});
        }"""
    )
    drive.until(page, "Boolean(window.release)")
    page.evaluate("view.unmount(); release();")
    drive.until(page, "tracks.length === 2 && openTracks() === 1")


def test_each_obstacle_has_a_sentence_and_a_next_step(open_camera: Any, app: DeviceApp) -> None:
    def forbid(route: Route) -> None:
        response = route.fetch()
        headers = {**response.headers, "permissions-policy": "camera=()"}
        route.fulfill(response=response, headers=headers)

    cases = [
        (open_camera(url=app.url.replace("localhost", "phone.test"), allowed=False), "over HTTPS"),
        (open_camera(drive.NO_CAMERA), "has no camera"),
        (open_camera(DENY), "blocked for this page"),
        (open_camera(DENY.replace("NotAllowed", "NotReadable")), "another app has it"),
        (open_camera("delete Navigator.prototype.mediaDevices;"), "doesn’t let pages use a camera"),
    ]
    page = open_camera()
    page.route(app.url, forbid)
    page.reload()
    cases.append((page, "Permissions-Policy"))
    for page, words in cases:
        expect(page.locator(".vf-hint").get_by_text(words)).to_be_visible()
        way = "Choose a photo" if words == "has no camera" else "Take a photo"
        expect(page.locator(".vf-main:visible")).to_have_text(way)
        assert page.locator("input[capture=environment]").count() == 1
    page, words = cases[0]
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take a photo").click()
    chooser.value.set_files({"name": "red.png", "mimeType": "image/png", "buffer": drive.RED})
    expect(drive.device_headline(page)).to_have_text(drive.IS_RED)
    drive.shutter(page, "Back to the camera").click()
    expect(page.locator(".vf-hint").get_by_text(words)).to_be_visible()


@pytest.mark.quick
def test_damaged_model_is_said_in_place_of_a_blocked_camera(open_camera: Any) -> None:
    page = open_camera(DENY, viewport=drive.PHONE)
    reason = page.locator(".vf-hint").get_by_text("blocked for this page")
    expect(reason).to_be_visible()
    page.context.route("**/*.onnx.gz", lambda route: route.fulfill(body="damaged"))
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The model arrived damaged")
    expect(page.locator(".vf-hint")).to_have_text("Loupe")
    again = page.get_by_role("button", name="Try again")
    words, button = (part.bounding_box() for part in (page.locator(".vf-words"), again))
    assert button["y"] + button["height"] <= words["y"] + words["height"]
    page.context.unroute_all()
    again.click()
    expect(reason).to_be_visible()


def test_frame_of_another_site_needs_to_allow_the_camera(open_camera: Any, app: DeviceApp) -> None:
    with framing(app.url, "127.0.0.1", allow="") as outer:
        page = open_camera()
        page.goto(outer)
        frame = page.frame_locator("iframe")
        expect(frame.locator(".vf-hint").get_by_text("in a tab of its own")).to_be_visible()
        expect(frame.get_by_role("button", name="Take a photo")).to_be_visible()
