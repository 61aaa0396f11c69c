"""``LOUPE_API``: another Loupe identifies the photos, with the answers of this process."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from model import Bundle, classifier, load
from model.admission import AdmissionCancelled
from model.api_client import request_prediction
from model.classifier import RemoteClassifier
from model.cli import main
from model.errors import (
    Busy,
    DamagedPhoto,
    EngineUnavailable,
    LoupeError,
    OtherVersion,
    SettingRefused,
)
from model.samples import samples
from model.settings import settings
from tests.browser.server import Server
from tests.conftest import _forget


@pytest.fixture
def use_api(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the address of the API, and forget what was loaded without it."""

    def use(address: str) -> None:
        monkeypatch.setenv("LOUPE_API", address)
        monkeypatch.setattr(classifier, "_loaded", {})
        monkeypatch.setattr(classifier, "_by_fingerprint", {})
        _forget()

    return use


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of the samples, noise in several sizes and formats, and files that are no photos."""
    folder, random = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for sample in samples():
        (folder / sample.name).write_bytes(sample.read())
    for number in range(40):
        height, width = random.integers(20, 700, 2)
        pixels = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        image = Image.fromarray(pixels).resize((int(width), int(height)))
        image.save(folder / f"{number}.{('jpg', 'png', 'webp')[number % 3]}")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no photo")
    (folder / "half.jpg").write_bytes(samples()[0].read()[:2000])
    (folder / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(20 * 2**20))
    return folder


def identify(folder: Path, *words: str) -> list[bytes]:
    """Return the lines of the command without their times."""
    result = CliRunner().invoke(main, ["identify", "--json", *words, str(folder)])
    assert result.exit_code == 1, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    for line in lines:
        line.pop("milliseconds", None)
    return [json.dumps(line).encode() for line in lines]


@pytest.mark.parametrize("top", ["5", "1000"])
def test_answers_equal_those_of_this_process_byte_for_byte(
    data_folder: Path, use_api: Any, app_server: Server, photos: Path, top: str
) -> None:
    here = identify(photos, "--top", top)
    use_api(app_server.url)
    assert isinstance(load(), RemoteClassifier)
    assert identify(photos, "--top", top) == here
    assert len(here) == len(samples()) + 44


def test_pixels_and_their_photo_are_identified_alike(
    data_folder: Path, use_api: Any, app_server: Server
) -> None:
    photo = samples()[0].read()
    here = load().identify_detailed(photo)
    use_api(app_server.url)
    there = load().identify_detailed(photo)
    assert np.array_equal(there.pixels, here.pixels)
    assert there.photo.image.size == here.photo.image.size
    pixels = load().identify(here.pixels)
    assert pixels.from_pixels
    assert pixels.top(5) == there.prediction.top(5) == here.prediction.top(5)


class Api(BaseHTTPRequestHandler):
    """An API that gives the replies of its list in turn, the last one again and again."""

    replies: list[tuple[int, dict[str, str], bytes]]
    requests: list[str]

    def do_POST(self) -> None:
        self.requests.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, body = self.replies[min(len(self.requests), len(self.replies)) - 1]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def api() -> Iterator[tuple[str, type[Api]]]:
    """The address of such an API, and its class."""
    handler = type("Handler", (Api,), {"requests": [], "replies": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()


def problem(code: str, detail: str = "What happened.") -> bytes:
    return json.dumps({"code": code, "detail": detail}).encode()


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        ((503, {"Retry-After": "2"}, problem("busy", "Wait.")), Busy, "Wait."),
        ((503, {}, b"Too many queued requests"), Busy, "Too many photos are waiting"),
        ((503, {}, problem("bundle-damaged")), EngineUnavailable, "answered 503"),
        ((422, {}, problem("damaged", "Cut.")), DamagedPhoto, "Cut."),
        ((409, {}, problem("other-version", "Old.")), OtherVersion, "Old."),
        ((404, {}, problem("no-such-model")), EngineUnavailable, "answered 404"),
        ((200, {}, b"<html>"), OtherVersion, "version None"),
        ((200, {}, b'{"version": "VERSION"}'), EngineUnavailable, "damaged"),
    ],
)
def test_refusal_has_the_same_kind_as_in_this_process(
    api: Any, tiny_bundle: Bundle, reply: Any, kind: type[LoupeError], message: str
) -> None:
    address, handler = api
    status, headers, body = reply
    handler.replies = [(status, headers, body.replace(b"VERSION", tiny_bundle.version.encode()))]
    with pytest.raises(kind, match=message) as raised:
        request_prediction(address, tiny_bundle, b"photo")
    assert type(raised.value) is kind


def test_redirect_is_not_followed(api: Any, tiny_bundle: Bundle) -> None:
    address, handler = api
    handler.replies = [(307, {"Location": f"{address}/elsewhere"}, b"")]
    with pytest.raises(EngineUnavailable, match="without a redirect"):
        request_prediction(address, tiny_bundle, b"photo")
    assert len(handler.requests) == 1


def test_batch_waits_for_a_busy_api_until_it_is_cancelled(api: Any, tiny_bundle: Bundle) -> None:
    address, handler = api
    handler.replies = [(503, {"Retry-After": "0"}, problem("busy"))] * 3 + [(404, {}, b"")]
    with pytest.raises(EngineUnavailable):
        request_prediction(address, tiny_bundle, b"photo", is_batch=True)
    assert len(handler.requests) == 4
    with pytest.raises(AdmissionCancelled):
        request_prediction(address, tiny_bundle, b"photo", is_cancelled=lambda: True)


def test_unreachable_api_is_named(tiny_bundle: Bundle) -> None:
    with pytest.raises(EngineUnavailable, match="http://127.0.0.1:9 can't be reached"):
        request_prediction("http://127.0.0.1:9", tiny_bundle, b"photo")


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("https://api.example.org/loupe", True),
        ("http://10.0.0.5:8000", True),
        ("http://[::1]:8000", True),
        ("http://localhost:8000", True),
        ("http://engine:8000", True),
        ("http://8.8.8.8", False),
        ("http://api.example.org", False),
        ("https://user:word@api.example.org", False),
        ("ftp://10.0.0.5", False),
    ],
)
def test_clear_text_is_sent_to_private_addresses_alone(
    use_api: Any, data_folder: Path, address: str, is_allowed: bool
) -> None:
    use_api(address)
    if is_allowed:
        assert settings().api_address == address
    else:
        with pytest.raises(SettingRefused, match="LOUPE_API"):
            settings()


def test_engine_that_is_chosen_runs_here(tiny_bundle: Bundle, use_api: Any) -> None:
    use_api("http://127.0.0.1:9")
    assert type(load("tiny", "fake")) is classifier.Classifier


def test_image_without_a_file_is_identified_here(tiny_bundle: Bundle, use_api: Any) -> None:
    use_api("http://127.0.0.1:9")
    red = Image.new("RGB", (64, 64), "red")
    assert load("tiny").identify(red).answer == "red"
    buffer = BytesIO()
    red.save(buffer, "PNG")
    with pytest.raises(EngineUnavailable):
        load("tiny").identify(buffer.getvalue())
