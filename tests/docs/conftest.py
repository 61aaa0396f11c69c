"""A server, photos, and another site whose pages call the API."""

import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from PIL import Image

from model.settings import ROOT
from tests.browser.server import Server, serving
from tests.http_server import http_server
from tests.model.tiny import CALIBRATED, colour, tiny
from tests.photos import encoded
from tests.tools import require_tool

CLIENTS = ROOT / "docs" / "clients"


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Another site, whose pages call the API."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(CLIENTS))
    with http_server(handler) as address:
        yield address


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[Server]:
    """The app with a small calibrated model that answers by default."""
    folder = tmp_path_factory.mktemp("clients")
    tiny(folder / "data" / "models", confidence=CALIBRATED)
    with serving(folder, LOUPE_MODEL="tiny", LOUPE_CORS=f"https://example.org, {site}") as running:
        yield running


@pytest.fixture(params=["python", "javascript"])
def client(request: pytest.FixtureRequest) -> list[str]:
    """The command that starts a client."""
    if request.param == "javascript":
        # Node 18 warns of the class that its own FormData uses.
        return [require_tool("node"), "--no-warnings", str(CLIENTS / "javascript.mjs")]
    return [sys.executable, str(CLIENTS / "python.py")]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of a red, a blue and an unknown colour, and files that are not photos."""
    for name in ("red", "blue"):
        (tmp_path / f"{name}.png").write_bytes(encoded(colour(name), "PNG"))
    (tmp_path / 'gr"ey ü.png').write_bytes(encoded(Image.new("RGB", (48, 48), (128,) * 3), "PNG"))
    (tmp_path / "notes.jpg").write_bytes(b"no photo at all")
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(20 * 2**20 + 1)
    return tmp_path
