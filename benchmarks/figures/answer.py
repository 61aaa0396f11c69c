"""What a visitor waits for: photo chosen → answer seen."""

from pathlib import Path

from playwright.sync_api import Browser

from ..apps import gradio, loupe
from ..browser import answered, chromium, opened
from ..photos import file, phone, small
from ..registry import benchmark
from ..servers import Server, serving
from ..timing import pairs

__all__ = ["answer_phone", "answer_small"]


@benchmark(
    "answer-small",
    "photo of 500 × 375 pixels chosen → answer seen in Chromium, against a ten-line Gradio app",
    target=0.8,
)
def answer_small(quick: bool) -> tuple[float, str]:
    """Time both pages on a small photo."""
    return _against_gradio(file("cat-small.jpg", small()), 3 if quick else 15)


@benchmark(
    "answer-12mp",
    "photo of 12 megapixels chosen → answer seen in Chromium, against a ten-line Gradio app",
    target=0.5,
)
def answer_phone(quick: bool) -> tuple[float, str]:
    """Time both pages on a phone's photo."""
    return _against_gradio(file("cat-12mp.jpg", phone()), 3 if quick else 15)


def _against_gradio(photo: Path, count: int) -> tuple[float, str]:
    with chromium() as browser, serving(loupe()) as ours, serving(gradio()) as theirs:
        ours.wait_ready()
        theirs.wait_ready()
        found = pairs(
            lambda: _answer(browser, ours, photo), lambda: _answer(browser, theirs, photo), count
        )
    return found.ratio, f"{found}; a new page each, which has come to rest"


def _answer(browser: Browser, server: Server, photo: Path) -> float:
    """Seconds that a new visitor waits for the answer."""
    with opened(browser, server) as page:
        return answered(page, server, photo)[0]
