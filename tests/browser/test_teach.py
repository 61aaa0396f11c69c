"""The page "Teach" at ``/device/``, before a camera whose picture the test sets."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from model.exporting.formats import export_models
from tests.browser.accessible import assert_accessible
from tests.browser.conftest import COLOURS, HERE
from tests.browser.device_app import DeviceApp
from tests.browser.drive import DESK, PHONE, checked_page, sample
from tests.browser.static_host import static_host
from tests.model.tiny import colour, tiny
from tests.photos import encoded
from tests.waiting import wait_until

SCREENSHOTS = HERE / "screenshots"
# Of one label, no two are near copies.
WARM = ((250, 20, 20), (250, 160, 0), (200, 250, 0))
COLD = ((20, 20, 250), (0, 160, 250), (110, 0, 160))
ODD = ((120, 120, 250), (0, 220, 250), (90, 0, 250))

# Moves before a photograph.
CAMERA = """
window.isStill = false;
let [film, frame] = [null, 0];
window.show = async (photo) => {
  const bytes = Uint8Array.from(atob(photo), (character) => character.charCodeAt());
  film = await createImageBitmap(new Blob([bytes]));
};
const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
setInterval(() => {
  // A video without a frame would delay the page's load event.
  if (!film) return canvas.getContext("2d").fillRect(0, 0, 640, 480);
  if (!isStill) frame++;
  const [width, height] = [film.height, film.height * 0.75];
  const [left, top] = [film.width - width, film.height - height];
  const at = (speed) => 0.5 + 0.4 * Math.sin(frame / speed);
  const from = [left * at(9), top * at(6), width, height];
  canvas.getContext("2d").drawImage(film, ...from, 0, 0, 640, 480);
}, 50);
if (navigator.mediaDevices) {
  navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(20);
  navigator.mediaDevices.enumerateDevices = async () => [{ kind: "videoinput", label: "" }];
}
"""
NO_CAMERA = "navigator.mediaDevices.enumerateDevices = async () => [];"
DENIED = """
navigator.permissions.query = async () =>
  Object.assign(new EventTarget(), { state: "denied" });
"""
WEBKIT = """
Object.defineProperty(navigator, "vendor", { get: () => "Apple Computer, Inc." });
navigator.storage.persist = async () => false;
"""
DROP = """
(files) => {
  // As a browser gives folders that were dropped.
  const fileOf = ([name, data]) => {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt());
    return { name, isFile: true, file: (resolve) => resolve(new File([bytes], name)) };
  };
  const items = Object.entries(files).map(([name, own]) => {
    const parts = [own.map(fileOf), []];
    const createReader = () => ({ readEntries: (resolve) => resolve(parts.shift()) });
    return { webkitGetAsEntry: () => ({ name, isFile: false, createReader }) };
  });
  const event = new Event("drop", { bubbles: true, cancelable: true });
  Object.defineProperty(event, "dataTransfer", { value: { items } });
  document.querySelector(".tv").dispatchEvent(event);
}
"""
TAUGHT = re.compile(r"/\?model=taught-[0-9a-f]{12}$")
Colour = tuple[int, int, int]
Visit = Callable[..., Page]


def jpeg(rgb: Colour) -> bytes:
    return encoded(colour(rgb, 400), quality=95)


def film(page: Page, name: str) -> None:
    """Put a photograph before the camera."""
    photo = encoded(sample(name).open().convert("RGB"), "JPEG", quality=92)
    page.evaluate("(photo) => show(photo)", b64encode(photo).decode())
    # Frames of what was there before are on their way.
    page.wait_for_timeout(500)


@pytest.fixture
def visit(browser: Browser, app: DeviceApp) -> Iterator[Visit]:
    """Open the page on a phone that gives it its camera."""
    with ExitStack() as stack:

        def come(*scripts: str, url: str = "", **options: Any) -> Page:
            touch = {"viewport": PHONE, "permissions": ["camera"], **options}
            page = stack.enter_context(checked_page(browser, touch))
            for script in (CAMERA, *scripts):
                page.add_init_script(script)
            page.goto(url or f"{app.url}teach.html")
            page.locator(".vf:not([hidden])").wait_for()
            film(page, "coffee")
            return page

        yield come


def shutter(page: Page) -> Locator:
    return page.locator(".tv-shutter")


def pill(page: Page) -> Locator:
    return page.locator(".tv-pill")


def expect_verdict(page: Page, word: str) -> None:
    expect(page.locator(".tv-enough .tv-title")).to_have_text(f"Is it enough? {word}")


def use_it(page: Page) -> None:
    button = page.get_by_role("button", name="Use it")
    button.first.click()
    button.last.click()
    page.wait_for_url(TAUGHT)


def row(page: Page, label: str) -> Locator:
    return page.get_by_role("list", name="Labels").get_by_role("listitem").filter(has_text=label)


def name_label(page: Page, label: str) -> None:
    page.get_by_role("textbox").fill(label)
    page.keyboard.press("Enter")
    expect(row(page, label)).to_be_visible()


def photo_count(page: Page, label: str) -> int:
    return int(row(page, label).locator(".tv-count").inner_text())


def hold(page: Page, label: str, photos: int) -> None:
    """Hold the shutter until a label has so many photos."""
    expect(shutter(page)).to_have_attribute("aria-disabled", "false")
    shutter(page).hover()
    page.mouse.down()
    wait_until(lambda: photo_count(page, label) >= photos, 20)
    page.mouse.up()
    expect(shutter(page)).to_have_accessible_name(re.compile("^Hold"))


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    photos = [FilePayload(name=name, mimeType="image/jpeg", buffer=data) for name, data in files]
    page.locator("input[multiple]").set_input_files(photos)


def teach_by_files(page: Page, **labels: Sequence[Colour]) -> None:
    """Name labels and choose a photo of each colour."""
    for at, (label, colours) in enumerate(labels.items()):
        if at:
            page.get_by_role("button", name="New label").click()
        name_label(page, label)
        choose(page, *((f"{label}-{i}.jpg", jpeg(rgb)) for i, rgb in enumerate(colours)))
        expect(row(page, label).locator(".tv-count")).to_have_text(str(len(colours)))


def until_kept(page: Page) -> None:
    """Wait until the service worker has the page and the base."""
    kept = "caches.match(new URL('state.json', location.href).href).then(Boolean)"
    wait_until(lambda: page.evaluate(kept), 60)


def test_two_things_are_filmed_and_a_third_is_none_of_them(visit: Visit, app: DeviceApp) -> None:
    page = visit()
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
    assert not app.asked
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


def test_keyboard_alone_names_records_and_uses_and_another_tab_deletes(
    visit: Visit, app: DeviceApp
) -> None:
    page = visit(url=app.url)
    until_kept(page)
    # The viewfinder's first visit loads nothing of Teach.
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert len(loaded) > 20
    assert not [url for url in loaded if "teach" in url]
    page.get_by_role("link", name="Teach your own").click()
    expect(shutter(page)).to_be_visible()
    film(page, "coffee")

    def tab_to(target: Locator, key: str = "Tab") -> None:
        for _ in range(20):
            page.keyboard.press(key)
            if target.evaluate("(element) => element === document.activeElement"):
                return
        raise AssertionError(f"no {key} leads to {target}")

    tab_to(page.get_by_role("textbox"))
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
            tab_to(page.get_by_role("button", name="New label"), "Shift+Tab")
            page.keyboard.press("Enter")
    use = page.get_by_role("button", name="Use it")
    expect(use).to_be_enabled()
    tab_to(use)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="How often it is right")).to_be_visible()
    tab_to(use)
    page.keyboard.press("Enter")
    page.wait_for_url(TAUGHT)
    own = page.locator("optgroup[label='Made here'] option")
    expect(own).to_have_text(["red, blue"])
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Delete this model").click()
    other.get_by_role("button", name="Delete it").click()
    for tab in (other, page):
        expect(tab.get_by_text("The model that was in use here was deleted.")).to_be_visible()
        expect(tab.get_by_role("combobox", name="Model")).not_to_have_value("")
    expect(own).to_have_count(0)


@pytest.mark.slow
def test_tap_takes_one_photo_and_so_does_a_still_picture(visit: Visit) -> None:
    page = visit("isStill = true;")
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


def test_damaged_file_is_named_and_photos_move_and_return(visit: Visit) -> None:
    page = visit()
    label = "<b>warm</b>"
    page.get_by_role("textbox").fill("\u202ewarm")
    page.keyboard.press("Enter")
    expect(page.get_by_text("marks of direction")).to_be_visible()
    name_label(page, label)
    broken = ("broken.jpg", b"\xff\xd8\xff")
    choose(page, ("1.jpg", jpeg(WARM[0])), broken, ("2.jpg", jpeg(COLD[1])))
    expect(page.get_by_text("broken.jpg is damaged and was left out.")).to_be_visible()
    page.get_by_role("button", name="New label").click()
    name_label(page, "cold")
    choose(page, ("3.jpg", jpeg(COLD[0])))
    expect(row(page, "Cold").locator(".tv-count")).to_have_text("1")
    page.get_by_role("button", name=f"Photos of {label}: 2").click()
    expect(page.get_by_text("broken.jpg is damaged and was left out.")).to_be_visible()
    page.get_by_role("button", name="Photo 2").click()
    expect(page.get_by_role("button", name="Photo 2")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Move to…").click()
    page.get_by_role("dialog").get_by_role("button", name="cold").click()
    photos = page.get_by_role("button", name=re.compile("^Photo"))
    expect(photos).to_have_count(1)
    page.get_by_role("button", name="Undo: moved 1 photo to cold").click()
    expect(photos).to_have_count(2)
    page.get_by_role("button", name="Photo 1").click()
    page.get_by_role("button", name="Remove 1").click()
    page.get_by_role("button", name="Undo: removed 1 photo").click()
    expect(photos).to_have_count(2)
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Name of this label").fill("warm")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Warm 2 photos")).to_be_visible()
    page.get_by_role("button", name="Back").click()
    expect(row(page, "Warm").locator(".tv-count")).to_have_text("2")


@pytest.mark.slow
def test_what_is_chosen_or_removed_while_files_are_added_stays_so(visit: Visit) -> None:
    page = visit(NO_CAMERA)
    teach_by_files(page, red=WARM[1:2])
    page.get_by_role("button", name="New label").click()
    choose(page, ("waiting.jpg", jpeg(WARM[0])))
    expect(page.get_by_text("Name what 1 photo shows.")).to_be_visible()
    row(page, "Red").locator(".tv-choose").click()
    expect(row(page, "Red").locator(".tv-count")).to_have_text("2")
    page.get_by_role("button", name="New label").click()
    name_label(page, "blue")
    choose(page, *((f"{at}.jpg", jpeg(COLD[at % 3])) for at in range(60)))
    expect(row(page, "Blue").locator(".tv-count")).to_have_text(re.compile("[1-9]"))
    row(page, "Red").locator(".tv-choose").click()
    before = photo_count(page, "Blue")
    wait_until(lambda: photo_count(page, "Blue") > before + 1, 20)
    expect(row(page, "Red").locator(".tv-choose")).to_have_attribute("aria-current", "true")
    # Renamed meanwhile, the old name doesn't come back; nor does a label that is removed.
    page.get_by_role("button", name=re.compile("^Photos of blue")).click()
    page.get_by_role("button", name="Rename").click()
    page.keyboard.type("azure")
    page.keyboard.press("Enter")
    left_out = page.locator(".tv-after")
    expect(left_out).to_have_text(re.compile(r"^\d+ photos were not added\.$"))
    page.get_by_role("button", name="Back").click()
    page.reload()
    expect(row(page, "Azure")).to_be_visible()
    expect(row(page, "Blue")).to_have_count(0)


def test_dropped_folders_are_labels_and_the_model_is_handed_on(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit(viewport=DESK)
    files = {
        label: [[f"{i}.jpg", b64encode(jpeg(rgb)).decode()] for i, rgb in enumerate(colours)]
        for label, colours in (("warm", WARM), ("cold", COLD))
    }
    page.evaluate(DROP, files)
    for label in ("Warm", "Cold"):
        expect(row(page, label)).to_contain_text("3 recordings")
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
    page.get_by_role("button", name="Clear all").click()
    question = page.get_by_role("dialog", name="Clear all?")
    expect(question).to_contain_text("6 photos and 2 labels will be deleted.")
    question.get_by_role("button", name="Close").click()
    expect(row(page, "Warm")).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    question.get_by_role("button", name="Clear all").click()
    expect(page.get_by_role("heading", name="What is this?")).to_be_visible()
    opened = page.locator("input[accept]:not([capture])")
    opened.set_input_files(tmp_path / "my-colours-project.zip")
    expect(row(page, "Cold")).to_contain_text("3 recordings")
    expect(page.get_by_role("button", name="My colours")).to_be_visible()
    opened.set_input_files(tmp_path / "my-colours.loupe")
    page.wait_for_url(TAUGHT)
    page.goto(page.url.split("?")[0])
    page.get_by_role("link", name="Teach your own").click()
    expect(row(page, "Warm")).to_contain_text("3 recordings")


@pytest.mark.slow
def test_without_camera_files_teach_and_without_webassembly_nothing_does(
    visit: Visit, app: DeviceApp
) -> None:
    seven_days = "may delete them after seven days"
    http = f"{app.url.replace('localhost', 'phone.test')}teach.html"
    for reason, is_webkit, page in (
        ("this device has no camera", False, visit(NO_CAMERA)),
        ("the camera is blocked", True, visit(DENIED, WEBKIT)),
        ("only allow camera access over HTTPS", False, visit(url=http, permissions=[])),
    ):
        expect(page.locator(".tv-hint").get_by_text(reason)).to_be_visible()
        teach_by_files(page, warm=WARM[:1], cold=COLD[:1])
        expect_verdict(page, "Can’t know yet.")
        page.get_by_role("button", name="New model").click()
        expect(page.get_by_text("No photo leaves it.")).to_be_visible()
        expect(page.get_by_text(seven_days)).to_have_count(int(is_webkit))
    page = visit("delete globalThis.WebAssembly;")
    expect(page.get_by_text("This browser has no WebAssembly")).to_be_visible()


def test_static_folder_teaches_and_then_without_a_network(
    visit: Visit, colours_built: Path, tmp_path: Path
) -> None:
    export_models([tiny(tmp_path, "colours", **COLOURS)], "web", tmp_path / "page")
    with static_host(tmp_path / "page") as host:
        page = visit(url=f"{host.url}teach.html")
        until_kept(page)
    # The host is gone.
    page.context.set_offline(True)
    page.reload()
    film(page, "coffee")
    teach_by_files(page, warm=WARM[:1], cold=COLD[:1])
    expect(pill(page)).to_have_text(re.compile("warm|cold"))
    use_it(page)


LOOKS = {
    "phone-light": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
    "short-light": ({"width": 375, "height": 667}, "light"),
    "desk-light": (DESK, "light"),
    "desk-dark": (DESK, "dark"),
}


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_fits_and_is_accessible(visit: Visit, look: str) -> None:
    size, colours = LOOKS[look]
    page = visit(viewport=size, color_scheme=colours)

    def keep(screen: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"teach-{screen}-{look}.png")
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), screen
        assert_accessible(page)

    expect(shutter(page)).to_be_visible()
    page.wait_for_timeout(500)
    keep("empty")
    # Two groups of one label, near each other.
    red, orange, blue, azure = (250, 20, 20), (250, 110, 20), (20, 20, 250), (20, 110, 250)
    teach_by_files(page, warm=[red, orange] * 6, cold=[blue, azure] * 6)
    expect(pill(page)).to_be_visible()
    expect_verdict(page, "Yes.")
    keep("enough")
    row(page, "Warm").locator(".tv-choose").click()
    shutter(page).hover()
    page.mouse.down()
    expect(page.get_by_role("heading", name=re.compile("^Recording warm"))).to_be_visible()
    page.wait_for_timeout(900)
    keep("recording")
    page.mouse.up()
    # As many cold things among the warm ones as warm ones.
    choose(page, *((f"odd-{at}.jpg", jpeg(rgb)) for at, rgb in enumerate(ODD)))
    expect(page.get_by_role("button", name=re.compile("^They’re"))).to_be_visible()
    keep("confused")
    page.get_by_role("button", name=re.compile("^Photos of warm")).click()
    expect(page.get_by_role("button", name=re.compile("^Photo ")).first).to_be_visible()
    keep("photos")
    page.get_by_role("button", name="Back").click()
    page.get_by_role("button", name="Use it").first.click()
    expect(page.get_by_role("heading", name="How often it is right")).to_be_visible()
    keep("done")
