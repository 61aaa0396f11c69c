"""The time that a visitor waits: photo chosen → answer, and process start → first answer."""

from collections.abc import Callable

from playwright.sync_api import Browser

from ..apps import App, gradio, loupe, streamlit
from ..browser import chromium, open_page, time_answer, time_visit
from ..drawn_photos import small_file, write_photo
from ..servers import serve
from ..timing import measure_pairs


def against_gradio(make_photo: Callable[[], bytes], quick: bool) -> tuple[float, str]:
    """Time both pages on a photo."""
    photo = write_photo("answer.jpg", make_photo())
    with chromium() as browser, serve(loupe()) as ours, serve(gradio()) as theirs:
        ours.wait_for()
        theirs.wait_for()
        readings = measure_pairs(
            lambda: time_visit(browser, ours, photo),
            lambda: time_visit(browser, theirs, photo),
            3 if quick else 15,
        )
    return readings.ratio, f"{readings}; a new, settled page each time"


def start(quick: bool) -> tuple[float, str]:
    """Start both alternately; a visitor arrives as soon as the server listens."""
    ours, theirs = loupe(), streamlit()
    with chromium() as browser:
        readings = measure_pairs(
            lambda: _first_answer(browser, ours),
            lambda: _first_answer(browser, theirs),
            1 if quick else 5,
        )
    return readings.ratio, f"{readings}; Chromium was already running"


def _first_answer(browser: Browser, app: App) -> float:
    """Return the seconds from process start to the answer."""
    with serve(app) as server:
        server.wait()
        with open_page(browser, server, settle_seconds=0) as page:
            time_answer(page, server, small_file())
            return server.seconds()
