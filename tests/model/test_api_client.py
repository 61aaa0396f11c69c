"""``LOUPE_API``: another Loupe identifies the photos, with the answers of this process."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from model import Bundle, LoupeError, api_client, load, loading
from model.admission import AdmissionCancelled, admission_queue, local_slot
from model.classifier import Classifier, RemoteClassifier
from model.engines import ENGINES, start
from model.errors import (
    Busy,
    DamagedPhoto,
    EngineUnavailable,
    OtherVersion,
    PhotoTooLarge,
    SettingRefused,
)
from model.explanation import occlusion_map
from model.samples import samples
from model.settings import settings
from tests.browser.device_app import PREFIX, device_app
from tests.browser.server import Server
from tests.conftest import _forget
from tests.http_server import Handler, http_server
from tests.model.command import run
from tests.model.tiny import COLOURS, colour, edit


@pytest.fixture
def use_api(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the address of the API, and forget what was loaded without it."""

    def use(address: str) -> None:
        monkeypatch.setenv("LOUPE_API", address)
        monkeypatch.setattr(loading, "_loaded", {})
        monkeypatch.setattr(loading, "_by_fingerprint", {})
        _forget()

    return use


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of the samples, noise in several sizes and formats, and files that are no photos."""
    folder, random = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for sample in samples():
        (folder / sample.name).write_bytes(sample.read())
    for number in range(12):
        height, width = random.integers(20, 700, 2)
        pixels = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        image = Image.fromarray(pixels).resize((int(width), int(height)))
        image.save(folder / f"{number}.{('jpg', 'png', 'webp')[number % 3]}")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no photo")
    (folder / "half.jpg").write_bytes(samples()[0].read()[:2000])
    (folder / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(20 * 2**20))
    return folder


def identify(folder: Path) -> list[str]:
    """Return the command's lines, with all labels and without the times."""
    result = run("identify", "--json", "--top", 1000, folder)
    assert result.exit_code == 1, result.output
    return [line.partition(', "milliseconds"')[0] for line in result.stdout.splitlines()]


def test_answers_equal_those_of_this_process_byte_for_byte(
    data_folder: Path, use_api: Any, app_server: Server, photos: Path
) -> None:
    here = identify(photos)
    use_api(app_server.url)
    assert isinstance(load(), RemoteClassifier)
    assert identify(photos) == here
    assert len(here) == len(samples()) + 16


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


class Api(Handler):
    """An API that gives the replies of its list in turn, the last one again and again."""

    replies: ClassVar[list[tuple[int, dict[str, str], bytes]]]
    requests = 0

    def do_POST(self) -> None:
        self.read_body()
        status, headers, body = self.replies[min(Api.requests, len(self.replies) - 1)]
        Api.requests += 1
        self.respond(status, body, headers)


@pytest.fixture
def api(tiny_bundle: Bundle, use_api: Any) -> Iterator[type[Api]]:
    """Such an API, at the address in the settings."""
    with http_server(Api) as address:
        use_api(address)
        Api.requests = 0
        yield Api


def problem(code: str, detail: str = "What happened.") -> bytes:
    return json.dumps({"code": code, "detail": detail}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (503, problem("busy", "Wait."), Busy, "Wait."),
        (503, b"Too many queued requests", Busy, "Too many photos are waiting"),
        (503, problem("bundle-damaged"), EngineUnavailable, "answered 503"),
        (422, problem("damaged", "Cut."), DamagedPhoto, "Cut."),
        (409, problem("other-version", "Old."), OtherVersion, "Old."),
        (404, problem("no-such-model"), EngineUnavailable, "answered 404"),
        (413, b"<html>", PhotoTooLarge, "A proxy at"),
        (307, b"", EngineUnavailable, "without a redirect"),
        (200, b"<html>", EngineUnavailable, "damaged"),
        (200, b'{"version": "other"}', OtherVersion, "version other of tiny, and this app"),
        (200, b'{"version": "VERSION"}', EngineUnavailable, "damaged"),
    ],
)
def test_refusal_has_the_same_kind_as_in_this_process(
    api: type[Api], status: int, body: bytes, kind: type[LoupeError], message: str
) -> None:
    body = body.replace(b"VERSION", load("tiny").bundle.version.encode())
    api.replies = [(status, {"Location": settings().api}, body)]
    with pytest.raises(kind, match=message) as raised:
        load("tiny").identify(b"photo")
    assert type(raised.value) is kind
    assert api.requests == 1


@pytest.mark.parametrize(
    "change",
    [
        {"engine": "fake"},
        {"candidates": []},
        {"candidates": 6 * [{"label": "red", "probability": 0.1}]},
        {"candidates": [{"label": name, "probability": float("nan")} for name in COLOURS]},
        {"candidates": [{"label": name, "probability": "1"} for name in COLOURS]},
        {"known": "maybe"},
        {"novelty": {"<script>": 1}},
        {"novelty": float("inf")},
        {"plausible": ["red", "red"]},
        {"plausible": "red"},
        {"milliseconds": dict.fromkeys(("decode", "preprocess", "engine", "total"), "1")},
        {"milliseconds": {"<script>": 1.0}},
    ],
)
def test_unexpected_answer_is_reported_as_damaged(
    tiny_bundle: Bundle, use_api: Any, api: type[Api], change: dict[str, Any]
) -> None:
    answer = Classifier(tiny_bundle, start(tiny_bundle, "compiled")).identify(colour("red"))
    document = answer.to_dict("-", 1000)
    api.replies = [(200, {}, json.dumps(given).encode()) for given in (document, document | change)]
    assert load("tiny").identify(b"photo").to_dict("-", 1000) == document
    with pytest.raises(EngineUnavailable, match="sent a damaged answer"):
        load("tiny").identify(b"photo")


def test_dripping_reply_times_out(
    tiny_bundle: Bundle, use_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Drip(Handler):
        def do_POST(self) -> None:
            self.read_body()
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
            with suppress(OSError):
                while True:
                    self.wfile.write(b" ")
                    time.sleep(0.02)

    monkeypatch.setenv("LOUPE_DEADLINE", "0.1")
    monkeypatch.setattr(api_client, "SPARE_SECONDS", 0.1)
    with http_server(Drip) as address:
        use_api(address)
        with pytest.raises(EngineUnavailable, match="sent a damaged answer"):
            load("tiny").identify(b"photo")


def test_batch_waits_for_a_busy_api_until_it_is_cancelled(api: type[Api]) -> None:
    api.replies = [(503, {}, problem("busy")), (422, {}, problem("damaged"))]
    with pytest.raises(DamagedPhoto):
        load("tiny").identify(b"photo", timeout=None)
    assert api.requests == 2
    with pytest.raises(AdmissionCancelled):
        load("tiny").identify_detailed(b"photo", is_cancelled=lambda: True)


def test_batch_asks_a_busy_api_for_a_limited_time(
    api: type[Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_client, "RETRY_SECONDS", 0)
    api.replies = [(503, {}, problem("busy"))]
    with pytest.raises(Busy, match=r"^The API at .* was busy for 0 minutes\. .* start again\.$"):
        load("tiny").identify(b"photo", timeout=None)
    assert api.requests == 1


def test_photo_is_not_passed_on_in_a_circle(tiny_bundle: Bundle, use_api: Any) -> None:
    with device_app() as app:
        use_api(f"http://localhost:{app.port}{PREFIX}")
        with pytest.raises(EngineUnavailable, match="503. LOUPE_API names an app that passes"):
            load("tiny").identify(b"photo")
    assert app.asked == [f"{PREFIX}/api/v1/identify"]


def test_local_engine_runs_one_photo_per_core(
    tiny_bundle: Bundle, use_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 photos may wait for the API at a time, and as many maps would need all memory."""
    monkeypatch.setenv("LOUPE_THREADS", "1")
    use_api("http://127.0.0.1:9")
    tiny, running, most = load("tiny"), threading.Semaphore(0), []
    pixels, original = np.zeros((32, 32, 3), np.uint8), tiny.engine.run

    def run_slowly(*words: Any, **options: Any) -> Any:
        running.release()
        most.append(running._value)
        time.sleep(0.001)
        running.acquire()
        return original(*words, **options)

    monkeypatch.setattr(tiny.engine, "run", run_slowly)
    with ThreadPoolExecutor(4) as pool:
        maps = [pool.submit(occlusion_map, tiny, pixels, 0) for _ in range(4)]
        answers = [pool.submit(load("tiny").identify, colour("red")) for _ in range(4)]
    assert {future.exception() for future in maps + answers} == {None}
    assert set(most) == {1}


def test_wait_for_a_local_core_ends_at_the_deadline(
    tiny_bundle: Bundle, use_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_THREADS", "1")
    monkeypatch.setenv("LOUPE_DEADLINE", "0.05")
    use_api("http://127.0.0.1:9")
    place = admission_queue().acquire(None)
    with ThreadPoolExecutor(1) as pool, place as admission, local_slot(admission):
        late = pool.submit(load("tiny").identify, colour("red")).exception(5)
    assert str(late) == "Still busy after 0.05 s. Try again in a moment."
    assert load("tiny").identify(colour("red")).answer == "red"


ALLOWED = "https://api.example.org/loupe http://10.0.0.5:8000 http://[::1]:8000 http://engine:8000"
REFUSED = "http://8.8.8.8 http://api.example.org https://user:word@api.example.org"


def test_clear_text_is_sent_to_private_addresses_alone(use_api: Any, data_folder: Path) -> None:
    for address in ALLOWED.split():
        use_api(address)
        assert settings().api == address
    for address in REFUSED.split():
        use_api(address)
        with pytest.raises(SettingRefused, match="LOUPE_API"):
            settings()


def test_lost_api_is_logged_once_and_its_gaps_run_locally(
    tiny_bundle: Bundle, use_api: Any, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another engine than the settings' runs here: a second name for the compiled one.
    monkeypatch.setitem(ENGINES, "learner", ENGINES["compiled"])
    edit(tiny_bundle, engines=["compiled", "learner"])
    use_api("http://127.0.0.1:9")
    assert type(load("tiny", "learner")) is Classifier
    assert load("tiny").identify(colour("red")).answer == "red"
    reply = run("identify", "--model", "tiny", "--json", photos)
    assert (reply.exit_code, reply.stdout) == (2, "")
    assert reply.stderr.count("http://127.0.0.1:9 can't be reached") == 1
