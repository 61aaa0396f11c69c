"""A model in the visitor's browser: the first visit, and the frames of a camera."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from playwright.sync_api import Page, Request

from model import resources

from .apps import Server, device, serve
from .browser import (
    CAMERA,
    chromium,
    finish_visit,
    longest_main_task,
    new_page,
    open_page,
    run_in_page,
    time_answer,
)
from .environment import MODEL
from .inputs import phone_photo, small_file, write_photo

SHOWN_MS = 5000
"""Time that each photo's answer is shown for, in milliseconds."""

BLANK = "/device/icon-192.png"
"""A document of the app's origin without scripts of its own."""


def first_bytes(name: str, quick: bool) -> tuple[float, str]:
    """Count the bytes that Chromium receives at a first visit, in MB."""
    visits = _first_visits(name, 1 if quick else 3)
    detail = "headers, icons and the service worker included; small graph"
    received = max(received for _, received in visits)
    return received / 1e6, f"most of {len(visits)} visits, {detail}"


def first_answer(quick: bool) -> tuple[float, str]:
    """Time visits, each in a new profile; the photo is chosen as soon as the page takes one."""
    times = [seconds for seconds, _ in _first_visits(MODEL, 3 if quick else 16)[1:]]
    return median(times), f"median of {len(times)} visits, {min(times):.2f} to {max(times):.2f} s"


def frame_rate(quick: bool) -> tuple[float, str]:
    """Watch a fake camera; return the median frames per second over rounds."""
    rounds, seconds = (2, 2) if quick else (9, 5)
    with (
        _serve(MODEL) as server,
        chromium(*CAMERA) as browser,
        new_page(browser, base_url=server.origin) as page,
    ):
        page.goto(BLANK)
        run_in_page(page, "openCamera", f"/device/models/{MODEL}/")
        rates = [_watch(page, seconds) for _ in range(1 + rounds)][1:]
    spread = f"{min(rates):.1f} to {max(rates):.1f}"
    return median(rates), f"median of {rounds} rounds of {seconds} s, {spread}; small graph"


def busy_rate(quick: bool) -> tuple[float, str]:
    """Watch a fake camera on a busy machine."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(resources.cores())]
    try:
        return frame_rate(quick)
    finally:
        for process in processes:
            process.kill()
            process.wait()


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


@contextmanager
def _serve(name: str) -> Iterator[Server]:
    """Start this app and wait until it has made the model's files for browsers."""
    with serve(device(name)) as server:
        server.wait_for(f"/device/models/{name}/model.json")
        yield server


def _first_visits(name: str, count: int) -> list[tuple[float, int]]:
    """Return the seconds from navigation to answer of each visit, and the bytes received."""
    visits = []
    with _serve(name) as server, chromium() as browser:
        for _ in range(count):
            requests: list[Request] = []
            with open_page(browser, server, settle_seconds=0, requests=requests) as page:
                # Before that, its scripts may not listen for photos yet.
                page.wait_for_load_state("load")
                time_answer(page, server, small_file())
                visits.append(finish_visit(page, requests))
    return visits


def _watch(page: Page, seconds: float) -> float:
    """Return the frames per second that were identified."""
    times = run_in_page(page, "watchCamera", seconds)
    # On a busy machine a round may pass without two frames.
    return float((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else 0.0
