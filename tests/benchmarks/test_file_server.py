"""``benchmarks.file_server``: files as a host of static files sends them."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from benchmarks.file_server import serve_files


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    files = tmp_path / "files"
    files.mkdir()
    (files / "code.mjs").write_text("export {};" * 99)
    (files / "packed.gz").write_bytes(b"packed")
    (tmp_path / "secret").write_text("outside")
    with serve_files({"/one.json": files / "packed.gz", "/some/": files}) as address:
        yield address


def test_files_are_compressed_unless_they_are_already(url: str) -> None:
    with urlopen(f"{url}/some/code.mjs?query=1") as response:
        assert response.headers["Content-Type"] == "text/javascript"
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(response.read()) == b"export {};" * 99
    with urlopen(f"{url}/some/packed.gz") as response:
        assert response.headers["Content-Encoding"] is None
        assert response.read() == b"packed"
    with urlopen(f"{url}/one.json") as response:
        assert response.read() == b"packed"


def test_head_has_the_size_and_no_body(url: str) -> None:
    with urlopen(Request(f"{url}/some/packed.gz", method="HEAD")) as response:
        assert response.headers["Content-Length"] == "6"
        assert response.read() == b""


@pytest.mark.parametrize("path", ["/some/", "/some/none", "/other", "/some/../../secret"])
def test_nothing_else_is_served(url: str, path: str) -> None:
    with pytest.raises(HTTPError, match="404"):
        urlopen(url + path)
