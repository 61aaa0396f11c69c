"""From nothing to the first answer."""

from playwright.sync_api import Browser

from ..apps import App, loupe, streamlit
from ..browser import answered, chromium, opened
from ..photos import file, small
from ..registry import benchmark
from ..servers import serving
from ..timing import pairs

__all__ = ["start"]


@benchmark(
    "start",
    "start of the process → first answer in Chromium, "
    "against a ten-line Streamlit app with `load_learner`",
    target=0.5,
)
def start(quick: bool) -> tuple[float, str]:
    """Start both by turns; a visitor comes as soon as the server listens."""
    ours, theirs = loupe(), streamlit()
    with chromium() as browser:
        found = pairs(
            lambda: _first_answer(browser, ours),
            lambda: _first_answer(browser, theirs),
            1 if quick else 5,
        )
    return found.ratio, f"{found}; Chromium was open already"


def _first_answer(browser: Browser, app: App) -> float:
    """Seconds from the start of the process to the answer."""
    photo = file("cat-small.jpg", small())
    with serving(app) as server:
        server.wait()
        with opened(browser, server, rest=0) as page:
            answered(page, server, photo)
            return server.seconds()
