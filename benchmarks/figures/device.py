"""A model in the visitor's browser: the first visit, and the frames of a camera."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from urllib.error import HTTPError
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, Request

from model import resources

from ..apps import device
from ..browser import chromium, count_bytes, longest_main_task, open_page, time_answer
from ..paths import MODEL
from ..photos import phone_photo, small_photo, write_photo
from ..registry import NotMeasured, benchmark
from ..servers import TIMEOUT_SECONDS, Server, serve

__all__ = [
    "busy_rate",
    "bytes_of_clothing",
    "bytes_of_imagenet",
    "first_answer",
    "main_thread",
    "rate",
]

CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=fps=30")
"""A camera of 30 frames per second, as phones have, that shows Chromium's test picture."""

SHOWN_MS = 5000
"""Time that each photo's answer is shown for, in milliseconds."""

BLANK = "/device/icon-192.png"
"""A document of the app's origin without scripts of its own."""

OPEN_CAMERA = """
async (folder) => {
  const { load } = await import("/device/loupe.mjs");
  const video = Object.assign(document.createElement("video"), { muted: true });
  document.body.append(video);
  const size = { width: 640, height: 480 };
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: size });
  await video.play();
  const model = await load(folder);
  globalThis.watch = async (seconds) => {
    const times = [];
    const stop = new AbortController();
    setTimeout(() => stop.abort(), seconds * 1000);
    const options = { maxPerSecond: 60, signal: stop.signal };
    for await (const _ of model.watch(video, options)) times.push(performance.now() / 1000);
    return times;
  };
}
"""
"""Load a model; ``watch`` then returns the times of its predictions, in seconds."""


@benchmark(
    "device-bytes-clothing",
    "bytes of a first visit to /device/ with its first answer, for clothing",
    target=7500,
    unit="kB",
)
def bytes_of_clothing(quick: bool) -> tuple[float, str]:
    """Count what Chromium receives."""
    return _first_bytes("clothing", quick)


@benchmark(
    "device-bytes-imagenet",
    "bytes of a first visit to /device/ with its first answer, for imagenet",
    target=8500,
    unit="kB",
)
def bytes_of_imagenet(quick: bool) -> tuple[float, str]:
    """Count what Chromium receives."""
    return _first_bytes("imagenet", quick)


@benchmark(
    "device-first",
    "navigation to /device/ on the same machine → first answer in Chromium with an empty cache",
    target=3000,
    unit="ms",
)
def first_answer(quick: bool) -> tuple[float, str]:
    """Time visits, each in a new profile; the photo is chosen as soon as the page takes one."""
    count = 2 if quick else 15
    with _serve(MODEL) as server, chromium() as browser:
        times = [_first_visit(browser, server)[0] for _ in range(1 + count)][1:]
    detail = f"median of {count} visits, {min(times):.0f} to {max(times):.0f} ms"
    return median(times), detail


@benchmark(
    "device-rate",
    "frames per second that `model.watch` identifies of a camera in Chromium",
    target=12,
    unit="frames/s",
    at_least=True,
)
def rate(quick: bool) -> tuple[float, str]:
    """Watch a fake camera."""
    return _frame_rate(quick)


@benchmark(
    "device-rate-busy",
    "the same beside a process on each core that computes without pause",
    target=8,
    unit="frames/s",
    at_least=True,
)
def busy_rate(quick: bool) -> tuple[float, str]:
    """Watch a fake camera on a busy machine."""
    with _busy_cores():
        return _frame_rate(quick)


@benchmark(
    "device-main-thread",
    "longest task of the main thread while /device/ answers live, then 12-megapixel photos, in "
    "CPU time",
    target=50,
    unit="ms",
)
def main_thread(quick: bool) -> tuple[float, str]:
    """Trace the page's main thread during live answers and then during photos' answers."""
    seconds, count = (2, 1) if quick else (20, 3)
    photos = [write_photo(f"phone-{turn}.jpg", phone_photo(turn=turn)) for turn in range(count)]
    with (
        _serve(MODEL) as server,
        chromium(*CAMERA) as browser,
        open_page(browser, server, permissions=["camera"]) as page,
    ):
        page.get_by_role("button", name="Live").click()
        page.locator("[data-live]").wait_for()

        def use() -> None:
            page.wait_for_timeout(seconds * 1000)
            for photo in photos:
                time_answer(page, server, photo)
                page.wait_for_timeout(SHOWN_MS)

        longest = longest_main_task(browser, page, use)
    return longest, f"Chromium's trace of {seconds} s and {count} photos"


def _first_bytes(name: str, quick: bool) -> tuple[float, str]:
    count = 1 if quick else 3
    with _serve(name) as server, chromium() as browser:
        received = max(_first_visit(browser, server)[1] for _ in range(count))
    detail = "headers, icons and the service worker included; small graph"
    return received / 1000, f"most of {count} visits, {detail}"


def _first_visit(browser: Browser, server: Server) -> tuple[float, int]:
    """Return the milliseconds from navigation to answer, and the bytes received."""
    photo = write_photo("cat-small.jpg", small_photo())
    requests: list[Request] = []
    with open_page(browser, server, settle_seconds=0, requests=requests) as page:
        # Before that, its scripts may not listen for photos yet.
        page.wait_for_load_state("load")
        time_answer(page, server, photo)
        milliseconds = page.evaluate("performance.now()")
        page.wait_for_load_state("networkidle")
        return milliseconds, count_bytes(requests)


def _frame_rate(quick: bool) -> tuple[float, str]:
    """Return the median frames per second over rounds."""
    rounds, seconds = (2, 2) if quick else (9, 5)
    with _serve(MODEL) as server, chromium(*CAMERA) as browser, _camera(browser, server) as page:
        _watch(page, seconds)
        rates = [_watch(page, seconds) for _ in range(rounds)]
    spread = f"{min(rates):.1f} to {max(rates):.1f}"
    return median(rates), f"median of {rounds} rounds of {seconds} s, {spread}; small graph"


@contextmanager
def _serve(name: str) -> Iterator[Server]:
    """Start this app and wait until it has made the model's files for browsers."""
    with serve(device(name)) as server:
        server.wait_ready()
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{server.port}/device/models/{name}/model.json"):
                    break
            except HTTPError as error:
                if server.seconds() > TIMEOUT_SECONDS:
                    raise NotMeasured(f"{name} has no files for browsers: {error}") from error
                time.sleep(0.5)
        yield server


@contextmanager
def _camera(browser: Browser, server: Server) -> Iterator[Page]:
    """Open a page of the app's origin with a camera and the loaded model."""
    page = browser.new_page(base_url=f"http://127.0.0.1:{server.port}")
    try:
        page.goto(BLANK)
        page.evaluate(OPEN_CAMERA, f"/device/models/{MODEL}/")
        yield page
    finally:
        page.close()


def _watch(page: Page, seconds: float) -> float:
    """Return the frames per second that were identified."""
    times = page.evaluate("(seconds) => watch(seconds)", seconds)
    return float((len(times) - 1) / (times[-1] - times[0]))


@contextmanager
def _busy_cores() -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(resources.cores())]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
