"""From process start to the first answer."""

from playwright.sync_api import Browser

from ..apps import App, loupe, streamlit
from ..browser import chromium, open_page, time_answer
from ..photos import small_file
from ..servers import serve
from ..timing import measure_pairs

__all__ = ["start"]


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
