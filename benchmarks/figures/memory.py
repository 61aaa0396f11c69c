"""Memory of the serving process after many answers."""

import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser

from ..apps import App, gradio, loupe, streamlit
from ..browser import chromium, open_page, time_answer
from ..figure import NotMeasured
from ..photos import phone_photo, small_file, write_photo
from ..servers import Server, serve

__all__ = ["memory"]

PHOTOS_PER_SESSION = 10
"""Photos per visitor. A session's memory is kept for a while after its page is closed."""

PAUSE_SECONDS = 0.3
"""Pause before the next photo, in seconds: no visitor chooses faster."""


def memory(quick: bool) -> tuple[float, str]:
    """Answer small and 12-megapixel photos alternately, then read the resident memory."""
    ours, peers = (4, 2) if quick else (200, 50)
    photos = [small_file(), write_photo("coffee-12mp.jpg", phone_photo("coffee"))]
    with chromium() as browser:
        with serve(loupe()) as server:
            _answer(browser, server, photos, ours)
            used = server.memory_mb()
            if server.maps_library("libtorch"):
                raise NotMeasured(f"torch was loaded in the serving process ({used:.0f} MB)")
        beside = [_peer(browser, peer, photos, peers) for peer in (gradio, streamlit)]
    text = (
        f"{ours} answers, {PHOTOS_PER_SESSION} per visitor, small and 12-megapixel photos "
        "alternating; no torch"
    )
    return used, f"{text}; {', '.join(beside)} after {peers}"


def _peer(browser: Browser, make: Callable[[], App], photos: list[Path], count: int) -> str:
    try:
        app = make()
        with serve(app) as server:
            _answer(browser, server, photos, count)
            return f"{app.name} {server.memory_mb():.0f} MB"
    except NotMeasured as reason:
        return f"peer not measured ({reason})"


def _answer(browser: Browser, server: Server, photos: list[Path], count: int) -> None:
    """Get ``count`` answers, ten per visitor, or one where a page takes no second photo."""
    server.wait_for()
    per_session = PHOTOS_PER_SESSION if server.app.stays else 1
    for first in range(0, count, per_session):
        with open_page(browser, server) as page:
            words = ""
            for number in range(first, min(first + per_session, count)):
                time.sleep(PAUSE_SECONDS)
                _, words = time_answer(page, server, photos[number % len(photos)], after=words)
