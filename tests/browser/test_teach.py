"""The page "Teach" at ``/device/``, before a camera whose picture the test sets."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.device_app import DeviceApp
from tests.browser.drive import DESK, NO_CAMERA, tab_to
from tests.browser.drive_teach import (
    COLD,
    TAUGHT,
    WARM,
    Visit,
    drop,
    expect_verdict,
    film,
    name_label,
    photo_count,
    pill,
    row,
    teach_by_files,
)
from tests.waiting import wait_until

DENIED = """
navigator.permissions.query = async () =>
  Object.assign(new EventTarget(), { state: "denied" });
"""
WEBKIT = """
Object.defineProperty(navigator, "vendor", { get: () => "Apple Computer, Inc." });
navigator.storage.persist = async () => false;
"""


def shutter(page: Page) -> Locator:
    return page.locator(".tv-shutter")


def hold(page: Page, label: str, photos: int) -> None:
    """Hold the shutter until a label has so many photos."""
    expect(shutter(page)).to_have_attribute("aria-disabled", "false")
    shutter(page).hover()
    page.mouse.down()
    wait_until(lambda: photo_count(page, label) >= photos, 20)
    page.mouse.up()
    expect(shutter(page)).to_have_accessible_name(re.compile("^Hold"))


def until_kept(page: Page) -> None:
    """Wait until the service worker has the page and the base."""
    kept = "caches.match(new URL('state.json', location.href).href).then(Boolean)"
    wait_until(lambda: page.evaluate(kept), 60)


def test_two_things_are_filmed_and_a_third_is_unknown(open_teach: Visit, app: DeviceApp) -> None:
    page = open_teach()
    until_kept(page)
    taps = "window.taps = 0; document.addEventListener('pointerdown', () => taps++, true)"
    page.evaluate(taps)
    page.get_by_role("textbox").click()
    name_label(page, "my mug")
    hold(page, "My mug", 4)
    expect_verdict(page, "Not yet.")
    # From here on, nothing is fetched and nothing sent.
    app.asked.clear()
    page.get_by_role("button", name="New label").click()
    name_label(page, "the cat")
    film(page, "cat")
    hold(page, "The cat", 4)
    expect(pill(page)).to_have_text("My best guess: the cat")
    assert page.evaluate("taps") <= 12
    # One recording a label: nothing is left to test on, so there is no figure.
    expect_verdict(page, "Can’t know yet.")
    assert "%" not in page.locator(".tv-enough").inner_text()
    film(page, "coffee")
    expect(pill(page)).to_have_text("My best guess: my mug")
    film(page, "rocket")
    expect(pill(page)).to_have_text(re.compile("^None of the two things I know"))
    # The browser's own check for a new service worker: after the first answer, the page reads the
    # other kernels, which are kept.
    assert set(app.asked) <= {"service-worker.js"}
    assert not app.sent
    # A reload in the middle of a recording loses nothing of what was counted.
    before = photo_count(page, "The cat")
    shutter(page).hover()
    page.mouse.down()
    recorded = page.get_by_role("heading", name=re.compile(r"^Recording the cat: [2-9]\d* photos"))
    expect(recorded).to_be_visible()
    counted = int(recorded.inner_text().split()[-2])
    page.reload()
    expect(row(page, "The cat")).to_contain_text("2 recordings")
    assert photo_count(page, "The cat") >= before + counted
    film(page, "cat")
    expect(pill(page)).to_be_visible()


def test_keyboard_alone_teaches_and_another_tab_deletes(open_teach: Visit, app: DeviceApp) -> None:
    page = open_teach(url=app.url)
    until_kept(page)
    # The viewfinder's first visit loads nothing of Teach.
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert len(loaded) > 20
    assert not [url for url in loaded if "teach" in url]
    page.get_by_role("link", name="Teach", exact=True).click()
    expect(shutter(page)).to_be_visible()
    film(page, "coffee")

    tab_to(page, page.get_by_role("textbox"))
    for label in ("red", "blue"):
        page.keyboard.type(label)
        page.keyboard.press("Enter")
        expect(shutter(page)).to_be_focused()
        expect(shutter(page)).to_have_attribute("aria-disabled", "false")
        page.keyboard.press("Space")
        expect(shutter(page)).to_have_accessible_name(f"Recording {label}. Press to stop.")
        expect(row(page, label.title()).locator(".tv-count")).to_have_text(re.compile("[3-9]"))
        page.keyboard.press("Space")
        expect(shutter(page)).to_have_accessible_name(re.compile(f"^Hold to record {label}"))
        if label == "red":
            tab_to(page, page.get_by_role("button", name="New label"), "Shift+Tab")
            page.keyboard.press("Enter")
    use = page.get_by_role("button", name="Use it")
    expect(use).to_be_enabled()
    tab_to(page, use)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="How often it is right")).to_be_visible()
    tab_to(page, use)
    page.keyboard.press("Enter")
    page.wait_for_url(TAUGHT)
    own = page.locator("optgroup[label='Made here'] option")
    expect(own).to_have_text(["red, blue"])
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Delete this model").click()
    other.get_by_role("button", name="Delete it").click()
    # The first tab says that its model was deleted.
    expect(page.get_by_text("The model you were using was deleted.")).to_be_visible()
    for tab in (other, page):
        expect(tab.get_by_role("combobox", name="Model")).not_to_have_value("")
    expect(own).to_have_count(0)


def test_tap_takes_one_photo_and_so_does_a_still_picture(open_teach: Visit) -> None:
    page = open_teach("isStill = true;")
    name_label(page, "red")
    expect(shutter(page)).to_have_attribute("aria-disabled", "false")
    for taps, press in enumerate((shutter(page), page.locator(".vf-square"))):
        press.click()
        expect(row(page, "Red").locator(".tv-count")).to_have_text(str(taps + 1))
    shutter(page).hover()
    page.mouse.down()
    page.wait_for_timeout(1500)
    page.mouse.up()
    expect(row(page, "Red").locator(".tv-count")).to_have_text("3")
    # Held, the space bar records until it is let go.
    page.evaluate("isStill = false; document.activeElement.blur()")
    page.keyboard.down(" ")
    wait_until(lambda: photo_count(page, "Red") > 5, 20)
    page.keyboard.up(" ")
    expect(shutter(page)).to_have_accessible_name(re.compile("^Hold to record red"))


def test_dropped_folders_are_labels_and_models_are_files(open_teach: Visit, tmp_path: Path) -> None:
    page = open_teach(viewport=DESK)
    warm, cold = ({f"{i}.jpg": photo for i, photo in enumerate(one)} for one in (WARM, COLD))
    drop(page, {"warm": warm, "cold": cold})
    for label in ("Warm", "Cold"):
        expect(row(page, label)).to_contain_text("3 photos")
    page.get_by_role("button", name="New model").click()
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Name of your model").fill("My colours")
    page.keyboard.press("Enter")
    for button, name in (("file", "my-colours.loupe"), ("project", "my-colours-project.zip")):
        with page.expect_download() as saved:
            page.get_by_role("button", name=f"Save {button}").click()
        assert saved.value.suggested_filename == name
        saved.value.save_as(tmp_path / name)
    page.get_by_role("button", name="Put it in my app").click()
    command = "python -m model import my-colours.loupe --name my-colours"
    expect(page.get_by_role("dialog").get_by_text(command)).to_be_visible()
    page.keyboard.press("Escape")
    clear = page.get_by_role("button", name="Clear all")
    question = page.get_by_role("dialog", name="Clear all?")
    clear.click()
    expect(question).to_contain_text("6 photos and 2 labels will be deleted.")
    question.get_by_role("button", name="Close").click()
    expect(row(page, "Warm")).to_be_visible()
    clear.click()
    question.get_by_role("button", name="Clear all").click()
    expect(page.get_by_role("heading", name="What is this?")).to_be_visible()
    opened = page.locator("input[accept]:not([capture])")
    opened.set_input_files(tmp_path / "my-colours-project.zip")
    expect(row(page, "Cold")).to_contain_text("3 photos")
    expect(page.get_by_role("button", name="My colours")).to_be_visible()
    opened.set_input_files(tmp_path / "my-colours.loupe")
    page.wait_for_url(TAUGHT)
    page.goto(page.url.split("?")[0])
    page.get_by_role("link", name="Teach", exact=True).click()
    expect(row(page, "Warm")).to_contain_text("3 photos")


def test_files_work_without_a_camera_and_nothing_without_webassembly(
    open_teach: Visit, app: DeviceApp
) -> None:
    seven_days = "may delete them after seven days"
    http = f"{app.url.replace('localhost', 'phone.test')}teach.html"
    for reason, is_webkit, page in (
        ("this device has no camera", False, open_teach(NO_CAMERA)),
        ("the camera is blocked", True, open_teach(DENIED, WEBKIT)),
        ("only allow camera access over HTTPS", False, open_teach(url=http, permissions=[])),
    ):
        expect(page.locator(".tv-hint").get_by_text(reason)).to_be_visible()
        teach_by_files(page)
        expect_verdict(page, "Can’t know yet.")
        page.get_by_role("button", name="New model").click()
        expect(page.get_by_text("No photo leaves it.")).to_be_visible()
        expect(page.get_by_text(seven_days)).to_have_count(int(is_webkit))
    page = open_teach("delete globalThis.WebAssembly;")
    expect(page.get_by_text("This browser has no WebAssembly")).to_be_visible()
    expect(page.get_by_role("button", name="Photos", exact=True)).to_have_count(0)
    page.set_viewport_size(DESK)
    for name in ("Clear all", "New label"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
