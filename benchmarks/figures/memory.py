"""Memory of the serving process after many answers, and after many visits."""

import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from ..apps import App, gradio, loupe, streamlit
from ..browser import chromium, open_page, time_answer
from ..drawn_photos import phone_photo, small_file, write_photo
from ..figure import NotMeasured
from ..servers import Server, serve

PHOTOS_PER_SESSION = 10
"""Photos per visitor. A session's memory is kept for a while after its page is closed."""

PAUSE_SECONDS = 0.3
"""Pause before the next photo, in seconds: no visitor chooses faster."""

VISITS = 2000
STEP = 250
"""Visits between two readings."""


def memory(quick: bool) -> tuple[float, str]:
    """Answer small and 12-megapixel photos alternately, then read the resident memory."""
    ours, peers = (4, 2) if quick else (200, 50)
    photos = [small_file(), write_photo("coffee-12mp.jpg", phone_photo("coffee"))]
    with chromium() as browser:
        with serve(loupe()) as server:
            _answer(browser, server, photos, ours)
            used = server.memory_mb()
            if server.maps_library("libtorch"):
                raise NotMeasured(f"torch was loaded in the serving process ({used:.0f} MB)")
        beside = [_peer(browser, peer, photos, peers) for peer in (gradio, streamlit)]
    text = (
        f"{ours} answers, {PHOTOS_PER_SESSION} per visitor, small and 12-megapixel photos "
        "alternating; no torch"
    )
    return used, f"{text}; {', '.join(beside)} after {peers}"


def _peer(browser: Browser, make: Callable[[], App], photos: list[Path], count: int) -> str:
    try:
        app = make()
        with serve(app) as server:
            _answer(browser, server, photos, count)
            return f"{app.name} {server.memory_mb():.0f} MB"
    except NotMeasured as reason:
        return f"peer not measured ({reason})"


def _answer(browser: Browser, server: Server, photos: list[Path], count: int) -> None:
    """Get ``count`` answers, ten per visitor, or one where a page takes no second photo."""
    server.wait_for()
    per_session = PHOTOS_PER_SESSION if server.app.stays else 1
    for first in range(0, count, per_session):
        with open_page(browser, server) as page:
            words = ""
            for number in range(first, min(first + per_session, count)):
                time.sleep(PAUSE_SECONDS)
                _, words = time_answer(page, server, photos[number % len(photos)], after=words)


def visits(quick: bool) -> tuple[float, str]:
    """Open the page and run its script twice, again and again; read the resident memory."""
    readings = []
    with serve(loupe()) as server:
        server.wait_for()
        for number in range(1, (VISITS // 50 if quick else VISITS) + 1):
            _visit(server)
            if number % STEP == 0:
                readings.append(server.memory_mb())
        used = server.memory_mb()
    text = ", ".join(f"{reading:.0f}" for reading in readings)
    return used, f"{number} visits of two runs each; MB after each {STEP}: {text}"


def _visit(server: Server) -> None:
    with open_stream(server) as stream:
        run_script(stream, 2)


def open_stream(server: Server) -> ClientConnection:
    """Open a page's websocket."""
    url = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    return connect(url, max_size=None, close_timeout=0)


def run_script(stream: ClientConnection, runs: int) -> None:
    """Run the page's script and receive what it shows, as a browser does."""
    message = BackMsg()
    message.rerun_script.SetInParent()
    rerun = message.SerializeToString()
    for _ in range(runs):
        stream.send(rerun)
        while ForwardMsg.FromString(stream.recv(60)).WhichOneof("type") != "script_finished":
            pass
        time.sleep(0.01)
