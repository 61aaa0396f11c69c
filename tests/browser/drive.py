"""Actions of a visitor, and the parts of a page that a visitor sees."""

import base64
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Frame,
    FrameLocator,
    Locator,
    Page,
    Route,
    ViewportSize,
    expect,
)

from model.samples import Sample, samples
from model.sign_ins import SignIns
from tests.browser.server import Server
from tests.model.tiny import colour
from tests.photos import encoded
from tests.waiting import wait_until

PATIENCE_MS = 60_000
"""Longest wait for anything on a busy machine that opens a page, as for all of Streamlit."""
RED = encoded(colour("red"), "PNG")
GREY = encoded(colour((128, 128, 128)), "PNG")
RED_PHOTO, GREEN_PHOTO = (
    encoded(colour(name).resize((900, 700)), "JPEG") for name in ("red", "green")
)
HEIC_PHOTO = encoded(colour("red").resize((300, 200)), "HEIF")
IS_RED, IS_GREEN = "Very likely a red", "Very likely a green"
KEPT = re.compile(r"^Kept on this device: \d+\.\d MB\. It works without a network\.")
PLAIN = "/?way=plain"
"""Path of the page without the viewfinder."""
TIME = r"(?:\d+ ms|under 1 ms|\d+\.\d s)"
"""An answer's time, as its last line gives it."""

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 800}
GREETING = re.compile("^(Point your phone at something|Hold something up, or drop a photo)")
"""The headline without a photo, on a phone or on a desk."""
# Reports exceptions that the next run of the script removes from the page.
REPORT_EXCEPTIONS = """
new MutationObserver(() => {
  const box = document.querySelector('[data-testid=stException]');
  if (box && !box.dataset.reported) {
    box.dataset.reported = 'yes';
    console.error('stException: ' + box.innerText);
  }
}).observe(document, {subtree: true, childList: true});
"""
COUNT_TRACKS = """
window.tracks = [];
if (navigator.mediaDevices) {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
}
window.openTracks = () => window.tracks.filter((track) => track.readyState === "live").length;
"""
"""Count the tracks that were opened, and those that still are."""

NO_CAMERA = "navigator.mediaDevices.enumerateDevices = async () => [];"

FIND = """function find(place) {
  for (const element of place.querySelectorAll("*")) {
    const inner = element.shadowRoot;
    const found = element.matches(".vf") ? element : inner && find(inner);
    if (found) return found;
  }
  return null;
}"""
"""A JavaScript function that finds the viewfinder, even inside shadow roots."""

# Resolves when the page has the size and two measurements of boxes and colours are the same.
SETTLED = """
([width, height]) => new Promise((resolve) => {
  let before = "";
  const timer = setInterval(() => {
    const deep = (root) => [...root.querySelectorAll("*")].flatMap((part) =>
      [part.getBoundingClientRect(), getComputedStyle(part).color,
        ...(part.shadowRoot ? deep(part.shadowRoot) : [])]);
    const now = JSON.stringify(deep(document.body));
    if (innerWidth === width && innerHeight === height && now === before) {
      resolve(clearInterval(timer));
    }
    before = now;
  }, 150);
})
"""

HAND_OVER = """
([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt());
  const transfer = new DataTransfer();
  if (data) transfer.items.add(new File([bytes], "photo.png", { type: "image/png" }));
  const given = { bubbles: true, cancelable: true };
  const event = name === "paste"
    ? new ClipboardEvent(name, { ...given, clipboardData: transfer })
    : new DragEvent(name, { ...given, dataTransfer: transfer });
  document.body.dispatchEvent(event);
}
"""

CONNECT = """
(state) => {
  const name = "data-test-connection-state";
  document.querySelector(`[${name}]`).setAttribute(name, state);
}
"""
"""Makes Streamlit's page say whether it is connected."""


@contextmanager
def checked_page(browser: Browser, options: dict[str, Any]) -> Iterator[Page]:
    """Yield a page of a fresh profile; script errors, exceptions and dialogs fail the test."""
    errors: list[str] = []

    def collect_exception(message: ConsoleMessage) -> None:
        if message.text.startswith("stException: "):
            errors.append(message.text)

    def dismiss(dialog: Dialog) -> None:
        errors.append(dialog.message)
        dialog.dismiss()

    context = browser.new_context(**{"viewport": DESK, **options})
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(REPORT_EXCEPTIONS)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("console", collect_exception)
    context.on("dialog", dismiss)
    try:
        yield context.new_page()
    finally:
        context.close()
    assert not errors, "\n".join(errors)


def slow_down(page: Page, latency_ms: int) -> None:
    """Delay each of the page's requests, as a slow connection does."""
    rates = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", {"latency": latency_ms, **rates})


class HeldRequests:
    """A page's requests for some addresses, which wait until they are released."""

    def __init__(self, page: Page, pattern: str) -> None:
        self.routes: list[Route] = []
        self._is_released = False
        page.route(pattern, self._take)

    def _take(self, route: Route) -> None:
        if self._is_released:
            return route.continue_()
        return self.routes.append(route)

    def release(self) -> None:
        """Let through those that wait, and all that come."""
        self._is_released = True
        for route in self.routes:
            route.continue_()


def resize(page: Page, width: int, height: int) -> None:
    """Give the screen another size, and wait until the page is laid out for it."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(SETTLED, [width, height])


Screen = Page | Frame | FrameLocator


def headline(screen: Screen) -> Locator:
    """Return the answer in words, or the header of a page."""
    return screen.get_by_test_id("stMain").get_by_role("heading", level=2)


def chart(screen: Screen) -> Locator:
    return screen.get_by_test_id("stVegaLiteChart").locator("svg.marks")


def source_line(screen: Screen) -> Locator:
    """Return the line that names time, engine and version."""
    return screen.locator(".vf-where")


def photo(screen: Screen) -> Locator:
    return screen.locator(".vf-photo img")


def wait_for_answer(screen: Screen, *labels: str, engine: str = "compiled") -> str:
    """Wait for a complete answer in the viewfinder; return its headline.

    Args:
        labels: possible answers; by default any.
        engine: the engine that the last line must name.
    """
    words = wait_for_plain_answer(screen, *labels)
    expect(source_line(screen)).to_have_text(
        re.compile(
            rf"^On the server in {TIME}(?:; sent: .+ [kM]B(?: of pixels)?)?"
            rf", {engine} engine, version [0-9a-f]{{7}}$"
        )
    )
    return words


def wait_for_plain_answer(screen: Screen, *labels: str) -> str:
    """Wait for a headline and its chart; arguments and result as in ``wait_for_answer``."""
    words = "|".join(map(re.escape, labels)) if labels else ".+"
    expect(headline(screen)).to_have_text(re.compile(rf"^My best guess: (an? )?({words})$"))
    expect(chart(screen)).to_be_visible()
    return headline(screen).inner_text()


def wait_until_drawn(page: Page) -> None:
    """Wait until the page is drawn and its script has ended."""
    state = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    state.wait_for()
    page.get_by_test_id("stMain").get_by_test_id("stVerticalBlock").first.wait_for()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_function("document.fonts.ready.then(() => true)")


def go(page: Screen, title: str) -> None:
    """Open a page by the app's links, or by those of *More*."""
    links = page.get_by_role("navigation", name="Pages")
    link = links.get_by_role("link", name=title, exact=True)
    if not link.is_visible():
        links.get_by_role("link", name="More", exact=True).click()
        link = page.get_by_test_id("stMain").locator(f"a[href={title.lower()}]")
    link.click()


def sign_in(page: Page, server: Server) -> None:
    """Sign the page's browser in as the owner, by a new link."""
    with closing(SignIns(f"sqlite:///{server.data / 'records.sqlite'}")) as sign_ins:
        page.goto(f"{server.url}/owner/{sign_ins.create_link()}")
    page.get_by_role("button", name="Open the workshop").click()
    page.wait_for_url("**/photos*")


def correct(page: Page, label: str, *, sends_copy: bool = False) -> None:
    """Type what the photo shows, and save it."""
    page.locator(".vf-correct").click()
    page.get_by_role("button", name="Something else…").click()
    page.get_by_role("combobox", name="Label").fill(label)
    page.get_by_role("checkbox").set_checked(sends_copy)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".vf-saved")).to_contain_text(f"Saved: {label}")


def choose_place(page: Screen, name: str) -> None:
    """Choose where photos are identified: *Automatic*, *This device* or *The server*."""
    source_line(page).click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile(f"^{name}")).click()


def share_link(screen: Screen) -> str:
    """Return the link that the answer's dialog offers."""
    screen.get_by_role("button", name="Share").click()
    dialog = screen.get_by_role("dialog")
    link = dialog.get_by_role("textbox", name="Link").input_value()
    dialog.get_by_role("button", name="Close").click()
    return link


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press a key until an element has the focus."""
    for _ in range(30):
        page.keyboard.press(key)
        if target.evaluate("(element) => element.matches(':focus')"):
            return
    raise AssertionError(f"no {key} leads to {target}")


def settings_menu(screen: Screen) -> Locator:
    """Return the button that opens the choice of model, engine and number of results."""
    # Its only text is the name of its icon.
    return screen.get_by_test_id("stPopover").filter(has_text="tune").get_by_role("button")


def uploader(screen: Screen) -> Locator:
    """Return the button that opens the phone's camera or the files."""
    dropzone = screen.get_by_test_id("stFileUploaderDropzone")
    return dropzone.get_by_role("button", name="Upload", exact=True)


def sample(name: str) -> Sample:
    return next(photo for photo in samples() if photo.name == name)


def attach(screen: Screen, data: bytes | Path, name: str = "photo.jpg") -> None:
    """Upload a file: a path, or bytes with a name."""
    inputs = screen.get_by_test_id("stFileUploader").locator("input[type=file]")
    # While the page is redrawn, it contains the previous widget and the new one.
    screen.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    expect(inputs).to_have_count(1)
    if isinstance(data, Path):
        inputs.set_input_files(data)
    else:
        inputs.set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": data})


def give(screen: Screen, data: bytes, name: str = "photo.jpg") -> None:
    """Choose a file in the viewfinder, once the page says where it goes."""
    expect(source_line(screen).first).not_to_be_empty()
    file_input = screen.locator(".vf-ways input[type=file]:not([capture])")
    file_input.set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": data})


def give_device(screen: Screen, data: bytes = RED) -> None:
    """Choose a file at ``/device/``."""
    screen.locator("input[type=file]").first.set_input_files(
        {"name": "photo.png", "mimeType": "image/png", "buffer": data}
    )


def device_headline(screen: Screen) -> Locator:
    """Return the answer in words, at ``/device/``."""
    return screen.get_by_role("heading", level=2)


def expect_kept(page: Page) -> None:
    """Wait until the service worker has all that it will fetch."""
    expect(page.locator("#kept")).to_have_text(KEPT)


def shutter(page: Page, name: str = "Take a photo") -> Locator:
    """Return the shutter, if it has this name."""
    return page.locator(".vf-shutter").and_(page.get_by_role("button", name=name))


def camera_ready(page: Page) -> None:
    """Wait until the camera shows its picture and the model is loaded."""
    until(page, "document.querySelector('.vf-video').videoWidth > 0")
    expect(page.locator(".vf-where")).to_have_text("On this device: the photo stays here")


def until(page: Page, condition: str) -> None:
    """Wait for a condition in JavaScript; the page's policy allows no polling inside it."""
    wait_until(lambda: page.evaluate(condition), 20)


def hand_over(page: Page, event: str, photo: bytes) -> None:
    """Paste or drop a photo, or nothing."""
    page.evaluate(HAND_OVER, [event, base64.b64encode(photo).decode()])


def wait_until_stored(page: Page) -> None:
    """Wait until the browser has stored a photo, so that a reload finds it."""
    count = """async () => {
      const isRecents = ({ name }) => name.startsWith("loupe-recents:");
      const found = (await indexedDB.databases()).find(isRecents);
      if (!found) return 0;
      const settle = (request) =>
        new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      const database = await settle(indexedDB.open(found.name));
      const count = await settle(database.transaction("photos").objectStore("photos").count());
      database.close();
      return count;
    }"""
    wait_until(lambda: page.evaluate(count) > 0, PATIENCE_MS / 1000)


def identify_red(page: Page) -> None:
    """Choose a red photo at ``/device/``, and wait for its answer."""
    give_device(page)
    expect(device_headline(page)).to_have_text("Very likely a red")
