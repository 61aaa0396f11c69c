"""A first visit over a slow network: when there is something to see, to use, and an answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from statistics import median
from typing import Any, Literal

from .apps import App, Server, device, gradio, loupe, serve, streamlit
from .browser import CAMERA, TIMEOUT_MS, chromium, new_page
from .figure import NotMeasured
from .inputs import small_file
from .traffic import slow_line

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
MODEL = "clothing"
TAKE = {"Loupe": ".vf-choose", "Streamlit": "[data-testid=stFileUploader] button"}
"""Selectors of what takes a photo, where that isn't the file input itself."""

Readings = dict[str, list[tuple[float, float]]]
"""Seconds from the navigation, and MB received by then, of each visit, by event of ``page.js``."""


def _visit(
    server: Server, events: list[str], *, slow: bool = True, camera: bool = False
) -> dict[str, tuple[float, float]]:
    """Open an app on a phone with an empty cache, and wait for the events in turn.

    A photo is chosen as soon as the page takes one.

    Raises:
        NotMeasured: an event didn't happen in time.
    """
    app, received, readings = server.app, dict[str, int](), dict[str, tuple[float, float]]()
    selectors = json.dumps([TAKE.get(app.name, app.input), app.answer])
    options = PHONE | {"script": f"bench.markEvents(...{selectors})"}
    options |= {"permissions": ["camera"]} if camera else {}

    def add(event: dict[str, Any]) -> None:
        earlier = received.get(event["requestId"], 0)
        received[event["requestId"]] = earlier + event["encodedDataLength"]

    def finish(event: dict[str, Any]) -> None:
        received[event["requestId"]] = event["encodedDataLength"]

    with chromium(*(CAMERA if camera else ())) as browser, new_page(browser, **options) as page:
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        if slow:
            network.send("Network.emulateNetworkConditions", FAST_3G)
        network.on("Network.dataReceived", add)
        network.on("Network.loadingFinished", finish)
        page.goto(server.url, wait_until="commit")
        for event in events:
            try:
                page.wait_for_function(f"'{event}' in bench.marks", polling=50)
            except Exception as error:
                raise NotMeasured(f"{event}: nothing after {TIMEOUT_MS / 1000:.0f} s") from error
            seconds = page.evaluate(f"bench.marks.{event}")
            readings[event] = seconds, sum(received.values()) / 1e6
            if event == "take":
                page.locator(app.input).first.set_input_files(small_file())
    return readings


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
) -> Readings:
    """Return the readings of ``count`` visits; options are ``_visit``'s."""
    names = events.split()
    with _serve(make(), model) as server:
        visits = [_visit(server, names, **options) for _ in range(count)]
    return {name: [visit[name] for visit in visits] for name in names}


@cache
def _measure_apps(count: int) -> dict[str, Readings]:
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
        _visit(server, ["device"], slow=False)
        reading = _visit(replace(server, port=port), ["device"], slow=False)["device"]
    return reading[0], f"{MODEL}; one visit, cold cache, Fast 3G"
