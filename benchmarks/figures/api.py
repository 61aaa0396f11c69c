"""The API under many clients: throughput, tail latency, and the page at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median

from model import resources

from ..apps import loupe
from ..browser import chromium, open_page, time_answer
from ..load_client import LoadResult, run_load
from ..paths import BUILD
from ..photos import small_photo, small_photos, write_photo
from ..registry import NotMeasured, benchmark
from ..servers import Server, serve
from ..timing import measure_pairs, timer
from .folder import baseline_loop

__all__ = ["rate", "screen", "tail"]

CLIENTS = 32
PATH = "/api/v1/identify?top=5"


@benchmark(
    "api-rate",
    "photos a second through the API, against decoder and bare ONNX Runtime run flat out",
    target=0.8,
    at_least=True,
)
def rate(quick: bool) -> tuple[float, str]:
    """Run 32 clients on the server's own cores, against the faster of two hand-written loops."""
    photos = small_photos(40 if quick else 400)
    paths = [write_photo(f"api/{at:04}.jpg", data) for at, data in enumerate(photos)]
    with _serve_app() as server:
        baselines = [baseline_loop(paths, threads) for threads in {1, resources.cores()}]
        readings = [
            measure_pairs(lambda: _post(server, photos).seconds, timer(baseline), 2 if quick else 7)
            for baseline in baselines
        ]
    worst = max(readings, key=lambda pair: pair.ratio)
    return 1 / worst.ratio, f"{worst} of {len(photos)} photos; the clients use the same cores"


@benchmark(
    "api-tail",
    f"the API's p99 latency with {CLIENTS} clients, against its p50",
    target=4,
)
def tail(quick: bool) -> tuple[float, str]:
    """Return p99 divided by p50, the median over rounds."""
    photos = small_photos(60 if quick else 600)
    with _serve_app() as server:
        _post(server, photos)
        rounds = [_post(server, photos) for _ in range(2 if quick else 5)]
    ratios = [result.quantile(0.99) / result.quantile(0.5) for result in rounds]
    p50, p99 = (median(result.quantile(share) for result in rounds) for share in (0.5, 0.99))
    latencies = f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
    return median(ratios), f"{latencies}; {len(rounds)} rounds of {len(photos)} photos"


@benchmark(
    "api-screen",
    f"photo chosen → answer visible in Chromium beside {CLIENTS} API clients, against alone",
    target=6,
)
def screen(quick: bool) -> tuple[float, str]:
    """Time a visitor of the page beside clients that never pause."""
    photo, count = write_photo("cat-small.jpg", small_photo()), 2 if quick else 9
    with _serve_app() as server, chromium() as browser:

        def visit() -> float:
            with open_page(browser, server) as page:
                return time_answer(page, server, photo)[0]

        def beside() -> float:
            with _flood(server):
                return visit()

        readings = measure_pairs(beside, visit, count)
    return readings.ratio, f"{readings}; the clients use the same cores"


def _post(server: Server, photos: list[bytes]) -> LoadResult:
    result = run_load(f"http://127.0.0.1:{server.port}{PATH}", photos, CLIENTS)
    if result.errors:
        raise NotMeasured(f"{result.errors} photos got an error")
    return result


@contextmanager
def _serve_app() -> Iterator[Server]:
    """Start this app, warmed up, with a queue that holds all clients."""
    app = loupe()
    environment = {
        **app.environment,
        "LOUPE_QUEUE": str(CLIENTS),
        "LOUPE_DATA": str(BUILD / "data"),
    }
    with serve(replace(app, environment=environment)) as server:
        server.wait_ready()
        _post(server, small_photos(4))
        yield server


@contextmanager
def _flood(server: Server) -> Iterator[None]:
    photos, stop = small_photos(40), threading.Event()

    def post() -> None:
        while not stop.is_set():
            _post(server, photos)

    client = threading.Thread(target=post)
    client.start()
    try:
        yield
    finally:
        stop.set()
        client.join()
