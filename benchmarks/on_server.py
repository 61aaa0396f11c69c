"""The app on a server: time until an answer and a start, the API under load, and memory."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from playwright.sync_api import Browser
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from .apps import App, Server, gradio, loupe, serve, streamlit
from .browser import chromium, open_page, time_answer, time_visit
from .figure import NotMeasured, measure_pairs
from .in_process import against_loops
from .inputs import phone_photo, small_file, small_photos, write_photo, write_photos
from .traffic import LoadResult, run_load

CLIENTS = 32
PATH = "/api/v1/identify?top=5"
PHOTOS_PER_SESSION = 10
"""Photos per visitor. A session's memory is kept for a while after its page is closed."""

PAUSE_SECONDS = 0.3
"""Pause before the next photo, in seconds: no visitor chooses faster."""

VISITS, STEP = 2000, 250
"""Visits in all, and between two readings."""

SETTLE_SECONDS = 15
"""Longer than the server keeps an idle connection, except for websockets."""


def answer(make_photo: Callable[[], bytes], quick: bool) -> tuple[float, str]:
    """Time a photo on this page and on Gradio's, each new and settled."""
    photo = write_photo("answer.jpg", make_photo())
    with chromium() as browser, serve(loupe()) as ours, serve(gradio()) as theirs:
        ours.wait_for()
        theirs.wait_for()
        first, second = (partial(time_visit, browser, server, photo) for server in (ours, theirs))
        readings = measure_pairs(first, second, 3 if quick else 15)
    return readings.ratio, f"{readings}; a new, settled page each time"


def start(quick: bool) -> tuple[float, str]:
    """Start this app and Streamlit's in turn; a visitor arrives as soon as the server listens."""

    def first_answer(app: App) -> float:
        with serve(app) as server:
            server.wait()
            with open_page(browser, server, settle_seconds=0) as page:
                time_answer(page, server, small_file())
                return server.seconds()

    ours, theirs = partial(first_answer, loupe()), partial(first_answer, streamlit())
    with chromium() as browser:
        readings = measure_pairs(ours, theirs, 1 if quick else 5)
    return readings.ratio, f"{readings}; Chromium was already running"


def api_rate(quick: bool) -> tuple[float, str]:
    """Run 32 clients on the server's own cores, against the faster of two hand-written loops."""
    photos = small_photos(40 if quick else 400)
    with _serve_app() as server:
        files = write_photos("api", photos)
        pairs = against_loops(lambda: _post(server, photos).seconds, files, 2 if quick else 7)
    return 1 / pairs.ratio, f"{pairs} of {len(photos)} photos; the clients use the same cores"


def api_tail(quick: bool) -> tuple[float, str]:
    """Return p99 divided by p50, the median over rounds."""
    photos = small_photos(60 if quick else 600)
    with _serve_app() as server:
        rounds = [_post(server, photos) for _ in range(1 + (2 if quick else 5))][1:]
    ratios = [result.quantile(0.99) / result.quantile(0.5) for result in rounds]
    p50, p99 = (median(result.quantile(share) for result in rounds) for share in (0.5, 0.99))
    latencies = f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
    return median(ratios), f"{latencies}; {len(rounds)} rounds of {len(photos)} photos"


def api_screen(quick: bool) -> tuple[float, str]:
    """Time a visitor of the page beside clients that never pause, against alone."""
    photo = small_file()
    with _serve_app() as server, chromium() as browser:

        def post(stop: threading.Event) -> None:
            while not stop.is_set():
                _post(server, small_photos(40))

        def beside() -> float:
            stop = threading.Event()
            with ThreadPoolExecutor() as pool:
                clients = pool.submit(post, stop)
                try:
                    return time_visit(browser, server, photo)
                finally:
                    stop.set()
                    clients.result()

        alone = partial(time_visit, browser, server, photo)
        readings = measure_pairs(beside, alone, 2 if quick else 9)
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


def memory(quick: bool) -> tuple[float, str]:
    """Answer small and 12-megapixel photos alternately, then read the resident memory."""
    count, peers_count = (4, 2) if quick else (200, 50)
    photos = [small_file(), write_photo("coffee-12mp.jpg", phone_photo("coffee"))]
    beside = []
    with chromium() as browser:
        used = _memory_after(browser, loupe(), photos, count)
        for peer in (gradio, streamlit):
            try:
                megabytes = _memory_after(browser, peer(), photos, peers_count)
                beside.append(f"{peer.__name__} {megabytes:.0f} MB after {peers_count}")
            except NotMeasured as reason:
                beside.append(f"{peer.__name__} not measured ({reason})")
    text = f"{count} answers, {PHOTOS_PER_SESSION} per visitor, small and 12-megapixel photos"
    return used, f"{text} alternating; no torch; {', '.join(beside)}"


def _memory_after(browser: Browser, app: App, photos: list[Path], count: int) -> float:
    """Get ``count`` answers, ten per visitor, or one where a page takes no second photo."""
    per_session = PHOTOS_PER_SESSION if app.stays else 1
    with serve(app) as server:
        server.wait_for()
        for first in range(0, count, per_session):
            with open_page(browser, server) as page:
                words = ""
                for number in range(first, min(first + per_session, count)):
                    time.sleep(PAUSE_SECONDS)
                    _, words = time_answer(page, server, photos[number % len(photos)], after=words)
        used = server.memory_mb()
        maps = [mapped.path for each in server.processes() for mapped in each.memory_maps()]
        if app.name == "Loupe" and any("libtorch" in Path(path).name for path in maps):
            raise NotMeasured(f"torch was loaded in the serving process ({used:.0f} MB)")
    return used


def visits(quick: bool) -> tuple[float, str]:
    """Open the page and run its script twice, again and again; read the resident memory."""
    readings = []
    with serve(loupe()) as server:
        server.wait_for()
        for number in range(1, (VISITS // 50 if quick else VISITS) + 1):
            with _open_stream(server) as stream:
                _run_script(stream)
                _run_script(stream)
            if number % STEP == 0:
                readings.append(server.memory_mb())
        used = server.memory_mb()
    text = ", ".join(f"{reading:.0f}" for reading in readings)
    return used, f"{number} visits of two runs each; MB after each {STEP}: {text}"


def open_visit(quick: bool) -> tuple[float, str]:
    """Open visits that stay open; return what one more takes, in kB: the slope."""
    count, step = (20, 5) if quick else (1000, 200)
    with serve(loupe()) as server, ExitStack() as stack:
        server.wait_until_ready()
        readings = []
        for number in range(1, count + 1):
            _run_script(stack.enter_context(_open_stream(server)))
            # The first visits also fill caches.
            if number % step == 0:
                cpu_seconds = sum(server.process.cpu_times()[:2])
                readings.append((server.memory_mb(), _sockets(server), cpu_seconds))
        slopes = np.polyfit(np.arange(step, count + 1, step), np.array(readings), 1)[0]
        megabytes, sockets, seconds = slopes
        before = _sockets(server)
        with chromium() as browser, open_page(browser, server):
            loading = _sockets(server) - before
            time.sleep(SETTLE_SECONDS)
            settled = _sockets(server) - before
    text = f"{count} visits; each {sockets:.2f} sockets, {1000 * seconds:.0f} ms of CPU"
    return 1000 * megabytes, f"{text}; Chromium's page {loading} sockets, {settled} later"


def _sockets(server: Server) -> int:
    connections = server.process.net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED for each in connections)


def _open_stream(server: Server) -> ClientConnection:
    """Open a page's websocket."""
    url = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    return connect(url, max_size=None, close_timeout=0)


def _run_script(stream: ClientConnection) -> None:
    """Run the page's script and receive what it shows, as a browser does."""
    message = BackMsg()
    message.rerun_script.SetInParent()
    stream.send(message.SerializeToString())
    while ForwardMsg.FromString(stream.recv(60)).WhichOneof("type") != "script_finished":
        pass
    time.sleep(0.01)
