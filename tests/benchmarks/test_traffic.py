"""A host of static files, and the load client, which posts each photo once."""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from benchmarks.traffic import run_load
from tests.http_server import Handler, http_server


class Photos(Handler):
    """Takes photos; every third response closes its connection, and one is an error."""

    protocol_version = "HTTP/1.1"
    photos: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.photos.append(self.read_body())
        headers = {"Connection": "close"} if len(self.photos) % 3 == 0 else {}
        self.respond(503 if self.photos[-1] == b"bad" else 200, b"{}", headers)


@pytest.fixture
def url() -> Iterator[str]:
    Photos.photos.clear()
    with http_server(Photos) as address:
        yield f"{address}/identify?top=5"


def test_each_photo_is_posted_once(url: str) -> None:
    """Also over connections that the server closes."""
    photos = [b"bad", *(b"%d" % number for number in range(20))]
    result = run_load(url, photos, 4)
    assert sorted(Photos.photos) == sorted(photos)
    assert (len(result.latencies), result.errors) == (20, 1)
    assert 0 < result.quantile(0.5) <= result.quantile(0.99) <= result.seconds


def test_photos_are_posted_when_they_are_due(url: str) -> None:
    photos = [b"first", b"bad", b"last"]
    result = run_load(url, photos, 1, due=(0, 0, 0.3))
    assert Photos.photos == photos
    assert (len(result.latencies), result.errors) == (2, 1)
    assert result.seconds >= 0.3
