"""What a visitor does on the page "Teach", before a camera whose picture the test sets."""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence

from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.browser.drive import sample
from tests.model.tiny import colour
from tests.photos import encoded


def jpeg(red: int, green: int, blue: int) -> bytes:
    return encoded(colour((red, green, blue), 400), quality=95)


# Photos of one label, of which no two are near copies.
WARM = (jpeg(250, 20, 20), jpeg(250, 160, 0), jpeg(200, 250, 0))
COLD = (jpeg(20, 20, 250), jpeg(0, 160, 250), jpeg(110, 0, 160))
ODD = (jpeg(120, 120, 250), jpeg(0, 220, 250), jpeg(90, 0, 250))

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
Visit = Callable[..., Page]


def film(page: Page, name: str) -> None:
    """Put a photograph before the camera."""
    photo = encoded(sample(name).open().convert("RGB"), "JPEG", quality=92)
    page.evaluate("(photo) => show(photo)", b64encode(photo).decode())
    # Frames of what was there before are on their way.
    page.wait_for_timeout(500)


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


def photo_count(page: Page, label: str) -> int:
    return int(row(page, label).locator(".tv-count").inner_text())


def name_label(page: Page, label: str) -> None:
    page.get_by_role("textbox").fill(label)
    page.keyboard.press("Enter")
    expect(row(page, label)).to_be_visible()


def drop(page: Page, folders: dict[str, dict[str, bytes]]) -> None:
    """Drop folders of files, which have names."""
    listed = {
        folder: [[name, b64encode(data).decode()] for name, data in files.items()]
        for folder, files in folders.items()
    }
    page.evaluate(DROP, listed)


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    photos = [FilePayload(name=name, mimeType="image/jpeg", buffer=data) for name, data in files]
    page.locator("input[multiple]").set_input_files(photos)


def teach_by_files(page: Page, **labels: Sequence[bytes]) -> None:
    """Name labels and choose photos of each; by default, one of *warm* and one of *cold*."""
    for at, (label, photos) in enumerate((labels or {"warm": WARM[:1], "cold": COLD[:1]}).items()):
        if at:
            page.get_by_role("button", name="New label").click()
        name_label(page, label)
        choose(page, *((f"{label}-{i}.jpg", photo) for i, photo in enumerate(photos)))
        expect(row(page, label).locator(".tv-count")).to_have_text(str(len(photos)))
