"""A first visit over a slow network: when there is something to see, to use, and an answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from statistics import median
from typing import Any, Literal

from playwright.sync_api import Page

from ..apps import App, Server, device, gradio, loupe, serve, streamlit
from ..browser import FIND, TIMEOUT_MS, chromium, new_page
from ..figure import NotMeasured
from ..inputs import small_file
from ..traffic import slow_line

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
def _open_visit(server: Server, *, slow: bool = True, camera: bool = False) -> Iterator[Visit]:
    """Open an app on a phone with an empty cache."""
    options: Any = {"permissions": ["camera"]} if camera else {}
    with (
        chromium(*(CAMERA if camera else ())) as browser,
        new_page(browser, **PHONE, **options) as page,
    ):
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


@contextmanager
def _serve(app: App, model: str = MODEL) -> Iterator[Server]:
    """Serve an app; Loupe's opens as for visitors, and has compressed Streamlit's files by then."""
    text = b""
    if app.name == "Loupe":
        app = replace(app, page="/", environment=app.environment | {"LOUPE_MODEL": model})
        text = b"static/js/loupe."
    with serve(app) as server:
        server.wait_for(text=text)
        yield server


@cache
def _measure(
    make: Callable[[], App], events: str, count: int, model: str = MODEL, **options: bool
) -> dict[str, list[tuple[float, float]]]:
    """Return seconds and MB at each event of ``count`` visits; options are ``_open_visit``'s.

    A photo is chosen as soon as the page takes one.
    """
    readings: dict[str, list[tuple[float, float]]] = {event: [] for event in events.split()}
    with _serve(make(), model) as server:
        for _ in range(count):
            with _open_visit(server, **options) as visit:
                for event, values in readings.items():
                    values.append(visit.wait(event))
                    if event == "take":
                        visit.page.locator(server.app.input).first.set_input_files(small_file())
    return readings


@cache
def _measure_apps(count: int) -> dict[str, dict[str, list[tuple[float, float]]]]:
    readings = {}
    for make in (loupe, gradio, streamlit):
        try:
            readings[make.__name__] = _measure(make, "words take answer", count)
        except NotMeasured as reason:
            if make is loupe:
                raise
            print(f"{make.__name__}: {reason}")
    return readings


def compared(event: str, quick: bool, unit: Literal["s", "MB"] = "s") -> tuple[float, str]:
    """Return the seconds to an event of a first visit to Loupe, or the MB received by then."""
    medians = {
        name: [median(values) for values in zip(*events[event], strict=True)]
        for name, events in _measure_apps(1 if quick else 3).items()
    }
    text = "; ".join(f"{name} {at:.1f} s, {mb:.2f} MB" for name, (at, mb) in medians.items())
    value = medians["loupe"][("s", "MB").index(unit)]
    return value, f"{text}; cold cache, Fast 3G (1.44 Mbit/s, 562 ms)"


def alone(
    event: str, quick: bool, *, events: str, count: int, model: str = MODEL, **options: bool
) -> tuple[float, str]:
    """Return the seconds to one of the ``events`` of a first visit to Loupe."""
    readings = _measure(loupe, events, 1 if quick else count, model, **options)
    texts = [
        f"{name} {', '.join(f'{at:.2f} s, {mb:.3f} MB' for at, mb in values)}"
        for name, values in readings.items()
    ]
    return median(at for at, _ in readings[event]), "; ".join(texts)


def model_ready(page: str, _: bool) -> tuple[float, str]:
    """Time the model's download, and its test, on a page of the app."""
    rate, latency = FAST_3G["downloadThroughput"], FAST_3G["latency"] / 1000
    with _serve(device(MODEL)) as ready, slow_line(ready.port, latency, rate) as port:
        server = replace(ready, app=replace(ready.app, page=page))
        # The first visit has the server make the model's files.
        for each in (server, replace(server, port=port)):
            with _open_visit(each, slow=False) as visit:
                seconds = visit.wait("device")[0]
    return seconds, f"{MODEL}; one visit, cold cache, Fast 3G"
