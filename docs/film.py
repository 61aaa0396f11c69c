"""Make the README's pictures: ``python -m docs.film`` writes viewfinder.webp and identify.png.

Chromium opens the app as on a phone, and its camera shows a sample photo, moved as by a hand.
"""

import io
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import Page, Playwright, ViewportSize, sync_playwright

from model.settings import ROOT
from tests.browser.server import serving
from tests.tools import require_tool

PHONE: ViewportSize = {"width": 390, "height": 844}
MODEL = "clothing"
PHOTOS = (
    ROOT / "model" / "library" / MODEL / "sample-2.jpg",
    ROOT / "model" / "samples" / "coffee.jpg",
)
"""What the camera sees: shoes, then a cup of coffee, which the model doesn't know."""
LOADING_MS = 120_000
"""Longest time until a model is on the device; the first start also fetches ONNX Runtime."""
POINTING_MS, LIVE_MS, ANSWER_MS, FRAME_MS = 800, 2500, 2500, 125
MAX_BYTES = 1_500_000


def write_camera_film(path: Path, photo: Path) -> None:
    """Write four seconds of a photo that sways, as motion JPEG of 480 × 640 pixels."""
    wide = ImageOps.fit(Image.open(photo).convert("RGB"), (504, 672))
    with path.open("wb") as file:
        for step in range(120):
            angle = 2 * math.pi * step / 120
            left, top = round(12 + 12 * math.sin(angle)), round(16 + 16 * math.sin(2 * angle))
            wide.crop((left, top, left + 480, top + 640)).save(file, "JPEG", quality=92)


@contextmanager
def viewfinder(playwright: Playwright, camera: Path, url: str) -> Iterator[Page]:
    """Open the app with a film as its camera; yield the page once the model is on the device."""
    browser = playwright.chromium.launch(
        executable_path=require_tool("chromium"),
        args=[
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={camera}",
        ],
    )
    try:
        page = browser.new_page(viewport=PHONE, has_touch=True, color_scheme="light")
        page.set_default_timeout(LOADING_MS)
        page.goto(url)
        # The model is on the device once it answers live.
        start_live(page)
        page.get_by_role("button", name="Photo", exact=True).click()
        yield page
    finally:
        browser.close()


def start_live(page: Page) -> None:
    """Press *Live* and wait for the first answer."""
    page.get_by_role("button", name="Live", exact=True).click()
    page.locator(".vf-words[data-live]").wait_for()


def take_photo(page: Page) -> None:
    """Press the shutter and wait for the answer."""
    page.locator(".vf-shutter").click()
    page.get_by_text("sent: numbers only").wait_for()


def play(page: Page) -> list[Image.Image]:
    """Point, press *Live*, take a photo; return what the screen shows meanwhile."""
    frames = record(page, POINTING_MS)
    start_live(page)
    frames += record(page, LIVE_MS)
    take_photo(page)
    return frames + record(page, ANSWER_MS)


def record(page: Page, milliseconds: int) -> list[Image.Image]:
    """Return what the screen shows, a picture every ``FRAME_MS``."""
    frames = []
    for _ in range(0, milliseconds, FRAME_MS):
        due = time.monotonic() + FRAME_MS / 1000
        frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        page.wait_for_timeout(max(0, due - time.monotonic()) * 1000)
    return frames


def save_film(frames: list[Image.Image]) -> None:
    """Write the moving picture, at the best quality that ``MAX_BYTES`` allows."""
    film, first, *others = ROOT / "docs" / "viewfinder.webp", *frames
    for quality in (60, 45, 30):
        first.save(
            film, save_all=True, append_images=others, duration=FRAME_MS, loop=0, quality=quality
        )
        if film.stat().st_size <= MAX_BYTES:
            break
    print(f"{film.name}: {film.stat().st_size / 1e6:.2f} MB")  # noqa: T201


def main() -> None:
    """Write the film, and the still picture of both answers."""
    frames: list[Image.Image] = []
    stills: list[Image.Image] = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        serving(folder := Path(temporary)) as server,
        sync_playwright() as playwright,
    ):
        address = f"{server.url}/?run=device&model={MODEL}"
        for photo in PHOTOS:
            write_camera_film(camera := folder / "camera.mjpeg", photo)
            with viewfinder(playwright, camera, address) as page:
                scene = play(page)
            frames += scene
            stills.append(scene[-1])
    width, height = frames[0].size
    both = Image.new("RGB", (2 * width + 20, height), "grey")
    for index, still in enumerate(stills):
        both.paste(still, (index * (width + 20), 0))
    both.quantize(256).save(ROOT / "docs" / "identify.png", optimize=True)
    save_film(frames)


if __name__ == "__main__":
    main()
