"""``api.static_files``: Streamlit's files, compressed as in the app."""

import gzip
import shutil
from pathlib import Path

import brotli
import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from streamlit.web.server.starlette.starlette_static_routes import (
    create_streamlit_static_assets_routes,
)

from api.static_files import StaticFilesMiddleware
from model.browser import page_files
from model.browser.page_files import PARTS, compress_all, compressed_name
from tests.browser.server import compressed_files

STATIC = Path(streamlit.__file__).parent / "static"
SCRIPT = max((STATIC / "static" / "js").glob("index.*.js"), key=lambda path: path.stat().st_size)
SCRIPT_PATH = f"/static/js/{SCRIPT.name}"
DECODERS = {"br": brotli.decompress, "gzip": gzip.decompress, "": bytes}
CHANGED = {"content-encoding", "content-length", "etag", "vary", "cache-control"}


def get(client: TestClient, path: str, encoding: str, **headers: str) -> tuple[int, dict, bytes]:
    sent = {"Accept-Encoding": encoding, **headers}
    with client.stream("GET", path, headers=sent) as response:
        return response.status_code, dict(response.headers), b"".join(response.iter_raw())


@pytest.fixture
def compressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were compressed for all tests: that yields to everything else on the machine."""

    def copy(part: str, folder: Path) -> None:
        shutil.copytree(compressed_files(part), folder, dirs_exist_ok=True)

    monkeypatch.setattr(page_files, "compress", copy)


@pytest.mark.usefixtures("compressed_once")
def test_compressed_files_differ_only_in_their_encoding(data_folder: Path) -> None:
    bases = {base: client_below(base) for base in ("", "/some/prefix")}
    before = {
        base: get(client, f"{base}{SCRIPT_PATH}", "br, gzip") for base, client in bases.items()
    }
    older = data_folder / "derived" / PARTS[0]
    for number in range(3):
        (older / f"0.{number}").mkdir(parents=True)
    compress_all()
    assert len(list(older.iterdir())) == 2, "all older versions but one are removed"
    assert (data_folder / "derived" / compressed_name(PARTS[1])).is_dir()
    for base, client in bases.items():
        check_encodings(client, base, *before[base])


def client_below(base: str) -> TestClient:
    """Return a client of Streamlit's files, which are served below a path."""
    middleware = [Middleware(StaticFilesMiddleware, base_path=base)]
    routes = create_streamlit_static_assets_routes(base)
    return TestClient(Starlette(routes=routes, middleware=middleware))


def check_encodings(
    client: TestClient, base: str, status: int, plain: dict[str, str], body: bytes
) -> None:
    """Check a script in each encoding; the other arguments are its response before compression."""
    path, data = f"{base}{SCRIPT_PATH}", SCRIPT.read_bytes()
    assert (status, body, plain["vary"]) == (200, data, "Accept-Encoding")
    assert "content-encoding" not in plain, "nothing has been compressed yet"
    etags = {plain["etag"]}
    for accepted, encoding in {
        "gzip, deflate, br, zstd": "br",
        "gzip, br;q=0": "gzip",
        "identity": "",
        "zstd": "",
    }.items():
        status, headers, body = get(client, path, accepted)
        assert (status, headers.get("content-encoding", "")) == (200, encoding)
        assert DECODERS[encoding](body) == data
        assert int(headers["content-length"]) == len(body) <= len(data) / (3 if encoding else 1)
        assert headers["vary"] == "Accept-Encoding"
        assert {"immutable", "public"} < set(headers["cache-control"].split(", "))
        assert {name: headers[name] for name in plain.keys() - CHANGED} == {
            name: plain[name] for name in plain.keys() - CHANGED
        }
        etags.add(headers["etag"])
        assert client.head(path, headers={"Accept-Encoding": accepted}).headers == headers
        known = get(client, path, accepted, **{"If-None-Match": headers["etag"]})
        assert (known[0], known[1]["etag"], known[2]) == (304, headers["etag"], b"")
    assert len(etags) == 3, "each encoding has an ETag of its own"

    status, headers, body = get(client, path, "br", Range="bytes=10-19")
    assert (status, body) == (206, data[10:20])
    assert "content-encoding" not in headers
    for other in ("static/js/none.js", "static/../index.html", "", "favicon.png"):
        assert "content-encoding" not in get(client, f"{base}/{other}", "br, gzip")[1]
