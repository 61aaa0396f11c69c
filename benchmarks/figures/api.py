"""The API under many clients: how much it gets done, how even, and the screen beside it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median

from model import resources

from ..apps import loupe
from ..browser import answered, chromium, opened
from ..load import Load, load
from ..photos import file, many, small
from ..places import BUILD
from ..registry import NoFigure, benchmark
from ..servers import Server, serving
from ..timing import pairs, timed
from .folder import by_hand

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
    """32 clients beside the server on the same cores, against the faster of two loops."""
    photos = many(40 if quick else 400)
    paths = [file(f"api/{at:04}.jpg", data) for at, data in enumerate(photos)]
    with _served() as server:
        rivals = [by_hand(paths, threads) for threads in {1, resources.cores()}]
        found = [
            pairs(lambda: _asked(server, photos).seconds, timed(rival), 2 if quick else 7)
            for rival in rivals
        ]
    worst = max(found, key=lambda seconds: seconds.ratio)
    return 1 / worst.ratio, f"{worst} of {len(photos)} photos; the clients use the same cores"


@benchmark(
    "api-tail",
    f"the API's slowest hundredth with {CLIENTS} clients, p99 against p50",
    target=4,
)
def tail(quick: bool) -> tuple[float, str]:
    """The ratio of quantiles of the waits, median over rounds."""
    photos = many(60 if quick else 600)
    with _served() as server:
        _asked(server, photos)
        rounds = [_asked(server, photos) for _ in range(2 if quick else 5)]
    ratios = [one.quantile(0.99) / one.quantile(0.5) for one in rounds]
    p50, p99 = (median(one.quantile(share) for one in rounds) for share in (0.5, 0.99))
    waits = f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
    return median(ratios), f"{waits}; {len(rounds)} rounds of {len(photos)} photos"


@benchmark(
    "api-screen",
    f"photo chosen → answer seen in Chromium while {CLIENTS} clients ask the API, against alone",
    target=6,
)
def screen(quick: bool) -> tuple[float, str]:
    """A visitor of the screen beside clients that never pause."""
    photo, count = file("cat-small.jpg", small()), 2 if quick else 9
    with _served() as server, chromium() as browser:

        def visit() -> float:
            with opened(browser, server) as page:
                return answered(page, server, photo)[0]

        def beside() -> float:
            with _flooded(server):
                return visit()

        found = pairs(beside, visit, count)
    return found.ratio, f"{found}; the clients use the same cores"


def _asked(server: Server, photos: list[bytes]) -> Load:
    found = load(f"http://127.0.0.1:{server.port}{PATH}", photos, CLIENTS)
    if found.refused:
        raise NoFigure(f"{found.refused} photos were refused")
    return found


@contextmanager
def _served() -> Iterator[Server]:
    """This app, warm, with a queue that takes all clients."""
    app = loupe()
    longer = {**app.environment, "LOUPE_QUEUE": str(CLIENTS), "LOUPE_DATA": str(BUILD / "data")}
    with serving(replace(app, environment=longer)) as server:
        server.wait_ready()
        _asked(server, many(4))
        yield server


@contextmanager
def _flooded(server: Server) -> Iterator[None]:
    photos, enough = many(40), threading.Event()

    def ask() -> None:
        while not enough.is_set():
            _asked(server, photos)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        enough.set()
        asking.join()
