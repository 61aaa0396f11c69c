"""The load client: each photo is posted once, also over connections that the server closes."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from benchmarks.load_client import run_load
from tests.waiting import POLL_SECONDS


class Handler(BaseHTTPRequestHandler):
    """Takes photos; every third response closes its connection, and one is an error."""

    protocol_version = "HTTP/1.1"
    photos: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.photos.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(503 if self.photos[-1] == b"bad" else 200)
        self.send_header("Content-Length", "2")
        if len(self.photos) % 3 == 0:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Handler.photos.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/identify?top=5"
        server.shutdown()


def test_each_photo_is_posted_once(url: str) -> None:
    photos = [b"bad", *(b"%d" % number for number in range(20))]
    result = run_load(url, photos, 4)
    assert sorted(Handler.photos) == sorted(photos)
    assert (len(result.latencies), result.errors) == (20, 1)
    assert 0 < result.quantile(0.5) <= result.quantile(0.99) <= result.seconds


def test_photos_are_posted_when_they_are_due(url: str) -> None:
    photos = [b"first", b"bad", b"last"]
    result = run_load(url, photos, 1, due=(0, 0, 0.3))
    assert Handler.photos == photos
    assert (len(result.latencies), result.errors) == (2, 1)
    assert result.seconds >= 0.3
