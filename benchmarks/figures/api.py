"""The API under many clients: throughput, tail latency, and the page at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from model import resources

from ..apps import loupe
from ..browser import chromium, time_visit
from ..drawn_photos import small_file, small_photos, write_photo
from ..figure import NotMeasured
from ..load_client import LoadResult, run_load
from ..servers import Server, serve
from ..timing import measure_pairs, timer
from .folder import baseline_loop

CLIENTS = 32
PATH = "/api/v1/identify?top=5"


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


def screen(quick: bool) -> tuple[float, str]:
    """Time a visitor of the page beside clients that never pause."""
    photo = small_file()
    with _serve_app() as server, chromium() as browser:

        def beside() -> float:
            with _flood(server):
                return time_visit(browser, server, photo)

        readings = measure_pairs(
            beside, lambda: time_visit(browser, server, photo), 2 if quick else 9
        )
    return readings.ratio, f"{readings}; the clients use the same cores"


def _post(server: Server, photos: list[bytes]) -> LoadResult:
    result = run_load(server.origin + PATH, photos, CLIENTS)
    if result.errors:
        raise NotMeasured(f"{result.errors} photos got an error")
    return result


@contextmanager
def _serve_app() -> Iterator[Server]:
    """Start this app, warmed up, with a queue that holds all clients."""
    with serve(loupe(), LOUPE_QUEUE=str(CLIENTS)) as server:
        server.wait_for()
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
