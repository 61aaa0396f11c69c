"""A first visit over a slow network: when there is something to see, to use, and an answer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page

from ..apps import App, device, gradio, loupe, streamlit
from ..browser import TIMEOUT_MS, chromium
from ..photos import small_photo, write_photo
from ..registry import NotMeasured, benchmark
from ..servers import Server, serve

__all__ = ["make_film"]

# As Chromium's tools emulate it.
FAST_3G = {
    "offline": False,
    "latency": 562.5,
    "downloadThroughput": 1.6e6 * 0.9 / 8,
    "uploadThroughput": 750e3 * 0.9 / 8,
}
PHONE: Any = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
MODEL = "clothing"
APPS: dict[str, Callable[[], App]] = {"Loupe": loupe, "Gradio": gradio, "Streamlit": streamlit}
FILM_SECONDS = 24
PACKING_SECONDS = 120
CAN_TAKE = {"Loupe": ".vf-choose", "Streamlit": "[data-testid=stFileUploader] button"}
WHERE = "On this device: the photo stays here"

# Marks each event by the page's own clock. A component's elements are in a shadow root.
WATCH = """
(({ take, answer, where }) => {
  const roots = (root) => [root, ...[...root.querySelectorAll("*")].flatMap(
    ({ shadowRoot }) => (shadowRoot ? roots(shadowRoot) : []),
  )];
  const find = (selector) =>
    roots(document).flatMap((root) => [...root.querySelectorAll(selector)]);
  const isShown = (element) => element.checkVisibility() && element.innerText?.trim();
  const events = {
    words: () => find("body, main").some(isShown),
    take: () => find(take).some((element) => element.matches("input") || isShown(element)),
    answer: () => find(answer).some(isShown),
    device: () => find(".vf-where").some((element) => element.innerText.includes(where)),
  };
  window.marks = {};
  const look = () => {
    for (const [name, has] of Object.entries(events)) {
      if (!(name in marks) && document.body && has()) marks[name] = performance.now() / 1000;
    }
  };
  setInterval(look, 50);
})
"""


@dataclass
class Visit:
    """An open page, and the bytes that it has received, by request."""

    page: Page
    received: dict[str, int] = field(default_factory=dict)

    def wait(self, event: str) -> tuple[float, float]:
        """Return the seconds from the navigation to an event, and the MB received by then.

        Raises:
            NotMeasured: it didn't happen in time.
        """
        try:
            self.page.wait_for_function(f"'{event}' in marks", polling=50)
        except Exception as error:
            raise NotMeasured(f"{event}: nothing after {TIMEOUT_MS / 1000:.0f} s") from error
        seconds: float = self.page.evaluate(f"marks.{event}")
        return seconds, sum(self.received.values()) / 1e6


@contextmanager
def open_visit(browser: Browser, server: Server, *, slow: bool = True) -> Iterator[Visit]:
    """Open an app as a phone does that has never seen it."""
    # The policy of /device/ forbids what Playwright waits by.
    context = browser.new_context(**PHONE, bypass_csp=True)
    try:
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        visit = Visit(page)
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        if slow:
            network.send("Network.emulateNetworkConditions", FAST_3G)

        def add(event: dict[str, Any]) -> None:
            former = visit.received.get(event["requestId"], 0)
            visit.received[event["requestId"]] = former + event["encodedDataLength"]

        def finish(event: dict[str, Any]) -> None:
            visit.received[event["requestId"]] = event["encodedDataLength"]

        network.on("Network.dataReceived", add)
        network.on("Network.loadingFinished", finish)
        app = server.app
        selectors = {"take": CAN_TAKE.get(app.name, app.input), "answer": app.answer}
        page.add_init_script(f"{WATCH}({{...{selectors}, where: '{WHERE}'}})")
        page.goto(server.url, wait_until="commit")
        yield visit
    finally:
        context.close()


def ready_app(app: App) -> App:
    """Return Loupe as it opens for visitors, by default with the model ``MODEL``."""
    return replace(app, page="/", environment={**app.environment, "LOUPE_MODEL": MODEL})


@contextmanager
def serve_ready(app: App) -> Iterator[Server]:
    """Serve an app until its first page is as it stays: Loupe packs Streamlit's files once."""
    with serve(app) as server:
        server.wait_ready()
        for _ in range(PACKING_SECONDS if app.name == "Loupe" else 0):
            with urlopen(f"http://127.0.0.1:{server.port}/") as response:
                if b"static/js/loupe." in response.read():
                    break
            time.sleep(1)
        yield server


@cache
def _readings(quick: bool) -> dict[str, dict[str, tuple[float, float]]]:
    """Return seconds and MB at each event, by app; medians of three visits."""
    photo, found = write_photo("cat-small.jpg", small_photo()), {}
    for name, make in APPS.items():
        try:
            app = ready_app(make()) if name == "Loupe" else make()
            with serve_ready(app) as server:
                visits = [_visit(server, photo) for _ in range(1 if quick else 3)]
        except NotMeasured as reason:
            if name == "Loupe":
                raise
            print(f"{name}: {reason}")
            continue
        found[name] = {
            event: (
                median(visit[event][0] for visit in visits),
                median(visit[event][1] for visit in visits),
            )
            for event in visits[0]
        }
    return found


def _visit(server: Server, photo: Path) -> dict[str, tuple[float, float]]:
    with chromium() as browser, open_visit(browser, server) as visit:
        readings = {event: visit.wait(event) for event in ("words", "take")}
        visit.page.locator(server.app.input).first.set_input_files(photo)
        return {**readings, "answer": visit.wait("answer")}


def make_film(folder: Path) -> Path:
    """Write a strip of pictures, one a second, of a first visit to each app; return its path."""
    size, height = (195, 422), 446
    strip = Image.new("RGB", (size[0] * FILM_SECONDS, height * len(APPS)), "white")
    draw = ImageDraw.Draw(strip)
    for row, (name, make) in enumerate(APPS.items()):
        app = ready_app(make()) if name == "Loupe" else make()
        with (
            serve_ready(app) as server,
            chromium() as browser,
            open_visit(browser, server) as visit,
        ):
            began = time.perf_counter()
            for second in range(1, FILM_SECONDS + 1):
                visit.page.wait_for_timeout(max(0, 1000 * (began + second - time.perf_counter())))
                picture = Image.open(BytesIO(visit.page.screenshot())).resize(size)
                place = (size[0] * (second - 1), height * row)
                strip.paste(picture, (place[0], place[1] + 24))
                draw.text((place[0] + 4, place[1] + 6), f"{name}, {second} s", "black")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "first-visit.png"
    strip.save(path)
    return path


def _compare(event: str, quick: bool, unit: int = 0) -> tuple[float, str]:
    readings = {name: events[event] for name, events in _readings(quick).items()}
    text = "; ".join(f"{name} {at:.1f} s, {mb:.2f} MB" for name, (at, mb) in readings.items())
    return readings["Loupe"][unit], f"{text}; cold cache, Fast 3G (1.44 Mbit/s, 562 ms)"


@benchmark("first-visit-words", "first visit on Fast 3G → first words", target=1.5, unit="s")
def words(quick: bool) -> tuple[float, str]:
    """Time the first text that is visible."""
    return _compare("words", quick)


@benchmark("first-visit-photo", "first visit on Fast 3G → a photo can be taken", target=9, unit="s")
def take(quick: bool) -> tuple[float, str]:
    """Time the buttons."""
    return _compare("take", quick)


@benchmark("first-visit-bytes", "bytes until a photo can be taken", target=1.3, unit="MB")
def megabytes(quick: bool) -> tuple[float, str]:
    """Count what the page has received by then."""
    return _compare("take", quick, unit=1)


@benchmark(
    "first-visit-answer",
    "first visit on Fast 3G → a photo of 50 kB, chosen at once, answered by the server",
    target=11,
    unit="s",
)
def answer(quick: bool) -> tuple[float, str]:
    """Time the answer."""
    return _compare("answer", quick)


@benchmark(
    "first-visit-quick", "first visit without a slow network → first words", target=0.3, unit="s"
)
def quick_words(quick: bool) -> tuple[float, str]:
    """Time the first words at full speed."""
    readings = []
    with serve_ready(ready_app(loupe())) as server:
        for _ in range(1 if quick else 5):
            with chromium() as browser, open_visit(browser, server, slow=False) as visit:
                readings.append((visit.wait("words")[0], visit.wait("take")[0]))
    text = ", ".join(f"{first:.2f} and {second:.2f}" for first, second in readings)
    return median(first for first, _ in readings), f"words and buttons, in s: {text}"


@benchmark(
    "first-visit-device",
    "first visit on Fast 3G → the model is ready in the app",
    target=50,
    unit="s",
)
def in_app(_: bool) -> tuple[float, str]:
    """Time the model's download, and its test, on the first screen."""
    return _on_device("/")


@benchmark(
    "first-visit-device-page",
    "first visit to /device/ on Fast 3G → the model is ready",
    target=43,
    unit="s",
)
def on_page(_: bool) -> tuple[float, str]:
    """Time the same on the page that runs models alone."""
    return _on_device(f"/device/?model={MODEL}")


def _on_device(page: str) -> tuple[float, str]:
    app = replace(ready_app(device(MODEL)), page=page)
    with serve_ready(replace(app, page="/")) as ready:
        server = replace(ready, app=app)
        # The first visit has the server make the model's files.
        with chromium() as browser, open_visit(browser, server, slow=False) as visit:
            visit.wait("device")
        with chromium() as browser, open_visit(browser, server) as visit:
            seconds, _ = visit.wait("device")
    return seconds, f"{MODEL}; one visit, cold cache, Fast 3G"
