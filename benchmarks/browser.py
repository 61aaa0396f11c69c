"""Act as a visitor in Chromium: open a page, choose a photo, wait for the answer."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Request, sync_playwright

from .apps import Server
from .environment import find_chromium
from .figure import NotMeasured

ARGUMENTS = "--no-sandbox --disable-background-networking --disable-quic --no-first-run".split()
CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=fps=30")
"""A camera of 30 frames per second, as phones have, that shows Chromium's test picture."""

BENCH = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
"""JavaScript that defines ``bench`` in each page."""

TIMEOUT_MS = 120_000
"""Longest wait for a page to answer, in milliseconds."""

SETTLE_SECONDS = 1.0
"""Pause before a photo is chosen, so that the page has settled, in seconds."""


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Launch headless Chromium, with further arguments.

    Raises:
        NotMeasured: Chromium is neither in ``CHROMIUM`` nor on PATH.
    """
    path = find_chromium()
    if path is None:
        raise NotMeasured("Chromium is not installed; install it or set CHROMIUM=/path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(
    browser: Browser, requests: list[Request] | None = None, *, script: str = "", **context: Any
) -> Iterator[Page]:
    """Open an empty page as a new visitor, with an empty cache and Playwright's context options.

    ``requests`` receives each finished request, those of workers included; ``script`` runs after
    ``page.js``, before the page's own scripts.
    """
    visitor = browser.new_context(**context)
    if requests is not None:
        # Playwright takes no method of a built-in.
        visitor.on("requestfinished", lambda request: requests.append(request))  # noqa: PLW0108
    try:
        page = visitor.new_page()
        page.add_init_script(BENCH + script)
        page.set_default_timeout(TIMEOUT_MS)
        yield page
    finally:
        visitor.close()


def run_in_page(page: Page, name: str, *arguments: Any) -> Any:
    """Call a function of ``page.js`` and return its result."""
    return page.evaluate(f"(arguments) => bench.{name}(...arguments)", list(arguments))


@contextmanager
def open_page(
    browser: Browser, server: Server, *, settle_seconds: float = SETTLE_SECONDS, **options: Any
) -> Iterator[Page]:
    """Open the app's page as a new visitor, wait for its file input, then ``settle_seconds`` more.

    The options are those of ``new_page``.
    """
    with new_page(browser, **options) as page:
        # "load" could take long: a page may be waiting for fonts from the internet.
        page.goto(server.url, wait_until="commit")
        page.locator(server.app.input).first.wait_for(state="attached")
        time.sleep(settle_seconds)
        yield page


def time_visit(browser: Browser, server: Server, photo: Path) -> float:
    """Return the seconds that a new visitor of a settled page waits for the answer."""
    with open_page(browser, server) as page:
        return time_answer(page, server, photo)[0]


def time_answer(page: Page, server: Server, photo: Path, *, after: str = "") -> tuple[float, str]:
    """Choose a photo and wait until an answer other than ``after`` is visible.

    Returns:
        The seconds from the page's receipt of the photo to the answer's first frame, by the
        page's own clock, and the text of the answer.
    """
    run_in_page(page, "watchAnswer", server.app.answer, after, TIMEOUT_MS)
    page.locator(server.app.input).first.set_input_files(photo)
    milliseconds, text = page.evaluate("bench.answered")
    if not text:
        raise NotMeasured(f"{server.app.name} shows no answer after {TIMEOUT_MS / 1000:.0f} s")
    return milliseconds / 1000, text


def finish_visit(page: Page, requests: Sequence[Request]) -> tuple[float, int]:
    """Wait for the last request; return the seconds until the call, and the bytes received.

    The bytes are those of the network, without a photo that a page fetches to identify.
    """
    seconds: float = page.evaluate("performance.now()") / 1000
    page.wait_for_load_state("networkidle")
    sizes = [each.sizes() for each in requests if not each.url.endswith("/photo.jpg")]
    # A response from the cache has a body of negative size, which cancels its headers.
    return seconds, sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)


def longest_main_task(browser: Browser, page: Page, work: Callable[[], object]) -> float:
    """Return the longest task of a page's main thread while ``work`` runs, in milliseconds.

    CPU time counts: on a busy machine a task also waits for other processes.
    """
    browser.start_tracing(page=page, categories=["toplevel"])
    work()
    events = json.loads(browser.stop_tracing())["traceEvents"]

    def thread(event: dict[str, Any]) -> tuple[int, int]:
        return event["pid"], event["tid"]

    names = [event for event in events if event["name"] == "thread_name"]
    main = {thread(event) for event in names if event["args"]["name"] == "CrRendererMain"}
    tasks = [event for event in events if event["name"] == "ThreadControllerImpl::RunTask"]
    # A task that the end of the trace cuts off has no duration.
    durations = [event["tdur"] for event in tasks if "tdur" in event and thread(event) in main]
    return float(max(durations)) / 1000
