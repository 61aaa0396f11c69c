"""A first visit over a slow network: when there is something to see, to use, and an answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from statistics import median
from typing import Any, Literal

from playwright.sync_api import Browser, Page

from ..apps import App, device, gradio, loupe, streamlit
from ..browser import FIND, TIMEOUT_MS, chromium, new_page
from ..drawn_photos import small_file
from ..figure import NotMeasured
from ..servers import Server, serve
from ..slow_line import slow_line

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
    # The policy of /device/ forbids what Playwright waits by.
    "bypass_csp": True,
}
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""Chromium arguments for a camera that shows a test picture and needs no permission."""

APPS: tuple[Callable[[], App], ...] = (loupe, gradio, streamlit)
MODEL = "clothing"
TAKE = {"Loupe": ".vf-choose", "Streamlit": "[data-testid=stFileUploader] button"}
"""Selectors of what takes a photo, where that isn't the file input itself."""

MARKS = """
(({ take, answer }) => {
  FIND
  const isShown = (element) => element.checkVisibility() && element.innerText?.trim();
  const isReady = ({ innerText }) => innerText.includes("On this device: the photo stays here");
  const events = {
    words: () => find("body, main").some(isShown),
    take: () => find(take).some((element) => element.matches("input") || isShown(element)),
    answer: () => find(answer).some(isShown),
    mounted: () => find(".vf").some((element) => element.checkVisibility()),
    shutter: () => find(".vf-shutter").some((element) => element.checkVisibility())
      && find(".vf-video").some(({ readyState }) => readyState > 1),
    chart: () => find(".st-key-chart svg.marks").length > 0,
    fetching: () => find(".vf-where").some(({ innerText }) => innerText.includes("Fetching")),
    // The page says the same before it begins to fetch.
    device: () => "fetching" in marks && find(".vf-where").some(isReady),
  };
  window.marks = {};
  const look = () => {
    for (const [name, has] of Object.entries(events)) {
      if (!(name in marks) && document.body && has()) marks[name] = performance.now() / 1000;
    }
  };
  setInterval(look, 50);
})
""".replace("FIND", FIND)
"""Mark the time of each event by the page's own clock."""


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
def _open_visit(
    browser: Browser, server: Server, *, slow: bool = True, **options: Any
) -> Iterator[Visit]:
    """Open an app on a phone with an empty cache."""
    with new_page(browser, **PHONE, **options) as page:
        visit = Visit(page)
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        if slow:
            network.send("Network.emulateNetworkConditions", FAST_3G)

        def add(event: dict[str, Any]) -> None:
            earlier = visit.received.get(event["requestId"], 0)
            visit.received[event["requestId"]] = earlier + event["encodedDataLength"]

        def finish(event: dict[str, Any]) -> None:
            visit.received[event["requestId"]] = event["encodedDataLength"]

        network.on("Network.dataReceived", add)
        network.on("Network.loadingFinished", finish)
        app = server.app
        selectors = {"take": TAKE.get(app.name, app.input), "answer": app.answer}
        page.add_init_script(f"{MARKS}({json.dumps(selectors)})")
        page.goto(server.url, wait_until="commit")
        yield visit


def _as_opened(app: App, model: str = MODEL) -> App:
    """Return Loupe's app with the page and the model that visitors open, others unchanged."""
    if app.name != "Loupe":
        return app
    return replace(app, page="/", environment={**app.environment, "LOUPE_MODEL": model})


@contextmanager
def _serve(make: Callable[[], App], model: str = MODEL) -> Iterator[Server]:
    """Serve an app; Loupe's once Streamlit's files are compressed."""
    app = _as_opened(make(), model)
    with serve(app) as server:
        server.wait_for(text=b"static/js/loupe." if app.name == "Loupe" else b"")
        yield server


@cache
def _measure_visits(quick: bool) -> dict[str, dict[str, tuple[float, float]]]:
    """Return seconds and MB at each event, by app; medians of three visits."""
    readings = {}
    for make in APPS:
        try:
            with _serve(make) as server:
                visits = [_visit(server) for _ in range(1 if quick else 3)]
        except NotMeasured as reason:
            if make is loupe:
                raise
            print(f"{make.__name__}: {reason}")
            continue
        readings[server.app.name] = {
            event: (
                median(visit[event][0] for visit in visits),
                median(visit[event][1] for visit in visits),
            )
            for event in visits[0]
        }
    return readings


def _visit(server: Server) -> dict[str, tuple[float, float]]:
    with chromium() as browser, _open_visit(browser, server) as visit:
        readings = {event: visit.wait(event) for event in ("words", "take")}
        visit.page.locator(server.app.input).first.set_input_files(small_file())
        return {**readings, "answer": visit.wait("answer")}


def compare_visits(event: str, quick: bool, unit: Literal["s", "MB"] = "s") -> tuple[float, str]:
    """Return the seconds to an event of a first visit to Loupe, or the MB received by then."""
    readings = {name: events[event] for name, events in _measure_visits(quick).items()}
    text = "; ".join(f"{name} {at:.1f} s, {mb:.2f} MB" for name, (at, mb) in readings.items())
    value = readings["Loupe"][("s", "MB").index(unit)]
    return value, f"{text}; cold cache, Fast 3G (1.44 Mbit/s, 562 ms)"


def at_full_speed(event: str, quick: bool) -> tuple[float, str]:
    """Measure the seconds until an event of a first visit without a slow network."""
    readings = _measure_at_full_speed(quick)
    text = ", ".join(" ".join(f"{seconds:.2f}" for seconds in one.values()) for one in readings)
    return median(one[event] for one in readings), f"{', '.join(readings[0])}, in s: {text}"


EVENTS = ("words", "mounted", "shutter")


@cache
def _measure_at_full_speed(quick: bool) -> list[dict[str, float]]:
    readings = []
    with _serve(loupe) as server:
        for _ in range(1 if quick else 5):
            with (
                chromium(*CAMERA) as browser,
                _open_visit(browser, server, slow=False, permissions=["camera"]) as visit,
            ):
                readings.append({event: visit.wait(event)[0] for event in EVENTS})
    return readings


def shutter_works(quick: bool) -> tuple[float, str]:
    """Measure the seconds until the shutter works, for a visitor who has allowed the camera."""
    readings = []
    with _serve(loupe) as server:
        for _ in range(1 if quick else 3):
            with (
                chromium(*CAMERA) as browser,
                _open_visit(browser, server, permissions=["camera"]) as visit,
            ):
                readings.append(visit.wait("shutter"))
    text = ", ".join(f"{at:.2f} s, {mb:.3f} MB" for at, mb in readings)
    return median(at for at, _ in readings), f"camera allowed; {text}"


def chart_drawn(quick: bool) -> tuple[float, str]:
    """Measure the seconds until an answer's chart is drawn, for a photo chosen immediately."""
    readings = []
    # The other model answers “none of these” here, which has no chart.
    with _serve(loupe, "imagenet") as server:
        for _ in range(1 if quick else 3):
            with chromium() as browser, _open_visit(browser, server) as visit:
                visit.wait("take")
                visit.page.locator(server.app.input).first.set_input_files(small_file())
                readings.append(visit.wait("chart"))
    text = ", ".join(f"{at:.2f} s, {mb:.2f} MB" for at, mb in readings)
    return median(at for at, _ in readings), text


def model_ready(page: str, _: bool) -> tuple[float, str]:
    """Time the model's download, and its test, on a page of the app."""
    rate, latency = FAST_3G["downloadThroughput"], FAST_3G["latency"] / 1000
    with _serve(lambda: device(MODEL)) as ready, slow_line(ready.port, latency, rate) as port:
        server = replace(ready, app=replace(ready.app, page=page))
        # The first visit has the server make the model's files.
        for each in (server, replace(server, port=port)):
            with chromium() as browser, _open_visit(browser, each, slow=False) as visit:
                seconds = visit.wait("device")[0]
    return seconds, f"{MODEL}; one visit, cold cache, Fast 3G"
