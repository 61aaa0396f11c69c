"""The time that a visitor waits: photo chosen → answer visible."""

from collections.abc import Callable

from ..apps import gradio, loupe
from ..browser import chromium, time_visit
from ..photos import write_photo
from ..servers import serve
from ..timing import measure_pairs

__all__ = ["against_gradio"]


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
