"""A host of static files, and the load client, which posts each photo once."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from benchmarks.traffic import run_load, serve_files
from tests.http_server import Handler, http_server


@pytest.fixture
def files_url(tmp_path: Path) -> Iterator[str]:
    files = tmp_path / "files"
    files.mkdir()
    (files / "code.mjs").write_text("export {};" * 99)
    (files / "packed.gz").write_bytes(b"packed")
    (tmp_path / "secret").write_text("outside")
    with serve_files({"/one.json": files / "packed.gz", "/some/": files}) as address:
        yield address


def test_files_are_compressed_unless_they_are_already(files_url: str) -> None:
    with urlopen(f"{files_url}/some/code.mjs?query=1") as response:
        assert response.headers["Content-Type"] == "text/javascript"
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(response.read()) == b"export {};" * 99
    with urlopen(f"{files_url}/some/packed.gz") as response:
        assert response.headers["Content-Encoding"] is None
        assert response.read() == b"packed"
    with urlopen(f"{files_url}/one.json") as response:
        assert response.read() == b"packed"


def test_head_has_the_size_and_no_body(files_url: str) -> None:
    with urlopen(Request(f"{files_url}/some/packed.gz", method="HEAD")) as response:
        assert response.headers["Content-Length"] == "6"
        assert response.read() == b""


@pytest.mark.parametrize("path", ["/some/", "/some/none", "/other", "/some/../../secret"])
def test_nothing_else_is_served(files_url: str, path: str) -> None:
    with pytest.raises(HTTPError, match="404"):
        urlopen(files_url + path)


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
