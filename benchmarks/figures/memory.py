"""What the serving process holds after many answers."""

import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser

from ..apps import App, gradio, loupe, streamlit
from ..browser import answered, chromium, opened
from ..photos import file, phone, small
from ..registry import NoFigure, benchmark
from ..servers import Server, serving

__all__ = ["memory"]

VISIT = 10
"""Photos of one visitor. What a visit holds stays a while after the page is closed."""

PAUSE = 0.3
"""Seconds before the next photo: nobody chooses one faster."""


@benchmark(
    "memory",
    "memory of the serving process after 200 answers on its page, without torch",
    target=330,
    unit="MB",
)
def memory(quick: bool) -> tuple[float, str]:
    """Answer small and 12-megapixel photos by turns, then read the resident memory."""
    ours, peers = (4, 2) if quick else (200, 50)
    photos = [file("cat-small.jpg", small("cat")), file("coffee-12mp.jpg", phone("coffee"))]
    with chromium() as browser:
        with serving(loupe()) as server:
            _answer(browser, server, photos, ours)
            used = server.memory_mb()
            if server.holds("libtorch"):
                raise NoFigure(f"torch was loaded in the serving process ({used:.0f} MB)")
        beside = [_peer(browser, peer, photos, peers) for peer in (gradio, streamlit)]
    text = f"{ours} answers, {VISIT} to a visitor, small and 12-megapixel photos by turns; no torch"
    return used, f"{text}; {', '.join(beside)} after {peers}"


def _peer(browser: Browser, make: Callable[[], App], photos: list[Path], count: int) -> str:
    try:
        app = make()
        with serving(app) as server:
            _answer(browser, server, photos, count)
            return f"{app.name} {server.memory_mb():.0f} MB"
    except NoFigure as reason:
        return f"a peer not measured ({reason})"


def _answer(browser: Browser, server: Server, photos: list[Path], count: int) -> None:
    """``count`` answers, ten to a visitor; one where the page takes no second photo."""
    server.wait_ready()
    visit = VISIT if server.app.stays else 1
    for first in range(0, count, visit):
        with opened(browser, server) as page:
            words = ""
            for number in range(first, min(first + visit, count)):
                time.sleep(PAUSE)
                _, words = answered(page, server, photos[number % len(photos)], after=words)
