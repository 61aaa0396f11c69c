"""What a visitor waits for: photo chosen → answer visible."""

from pathlib import Path

from playwright.sync_api import Browser

from ..apps import gradio, loupe
from ..browser import chromium, open_page, time_answer
from ..photos import phone_photo, small_photo, write_photo
from ..registry import benchmark
from ..servers import Server, serve
from ..timing import measure_pairs

__all__ = ["answer_phone", "answer_small"]


@benchmark(
    "answer-small",
    "photo of 500 × 375 pixels chosen → answer visible in Chromium, against a ten-line Gradio app",
    target=0.35,
)
def answer_small(quick: bool) -> tuple[float, str]:
    """Time both pages on a small photo."""
    return _against_gradio(write_photo("cat-small.jpg", small_photo()), 3 if quick else 15)


@benchmark(
    "answer-12mp",
    "photo of 12 megapixels chosen → answer visible in Chromium, against a ten-line Gradio app",
    target=0.2,
)
def answer_phone(quick: bool) -> tuple[float, str]:
    """Time both pages on a phone's photo."""
    return _against_gradio(write_photo("cat-12mp.jpg", phone_photo()), 3 if quick else 15)


def _against_gradio(photo: Path, count: int) -> tuple[float, str]:
    with chromium() as browser, serve(loupe()) as ours, serve(gradio()) as theirs:
        ours.wait_ready()
        theirs.wait_ready()
        readings = measure_pairs(
            lambda: _answer(browser, ours, photo), lambda: _answer(browser, theirs, photo), count
        )
    return readings.ratio, f"{readings}; a new, settled page each time"


def _answer(browser: Browser, server: Server, photo: Path) -> float:
    """Return the seconds that a new visitor waits for the answer."""
    with open_page(browser, server) as page:
        return time_answer(page, server, photo)[0]
