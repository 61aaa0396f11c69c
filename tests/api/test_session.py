"""The app's own pages at ``/api/v1``: with an open session's token, one photo at a time."""

import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from api.body_limits import PHOTO_BYTES, memory_budget
from deploy.client import free_port
from model import Bundle, Classifier, loading
from model.admission import AdmissionQueue
from model.answer.share_link import Signature, decode, encode
from model.corrections import correction_store
from model.corrections.page_sessions import page_sessions, read_own_answer
from tests.api.conftest import Serve
from tests.api.v1.test_identify import RED, is_problem, without_times
from tests.model.tiny import colour
from tests.photos import encoded

PHOTO, CORRECTION = "/api/v1/identify", "/api/v1/corrections"
FILE: dict[str, Any] = {"photo": ("photo", RED)}
SIDE = 32
"""Height and width of what the model of colours sees, in pixels."""


@pytest.fixture
def page(api: TestClient, token: str) -> TestClient:
    """A page of the app with the model of colours."""
    return TestClient(api.app, headers={"Loupe-Session": token}, raise_server_exceptions=False)


@pytest.fixture
def link(colours: Classifier) -> str:
    """The link to an answer of this server."""
    return encode(colours.identify(RED))


def test_page_gets_the_apis_prediction_and_a_signed_link(api: TestClient, page: TestClient) -> None:
    response = page.post(f"{PHOTO}?top=2", content=RED)
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    words = answer.pop("words")
    assert without_times(answer) == without_times(api.post(f"{PHOTO}?top=2", content=RED).json())
    shared = decode(words["token"])
    assert shared.signature is Signature.VALID
    assert shared.prediction.to_dict("-", 2)["answer"] == answer["answer"]
    assert (words["where"], words["recipe"]["resize"]) == ("server", [SIDE, SIDE])
    assert words["queue_ms"] >= 0


def test_page_has_a_photo_once_one_was_read(api: TestClient) -> None:
    headers = {"Loupe-Session": page_sessions.open_session("page")}
    is_problem(api.post(PHOTO, content=b"text", headers=headers), 415, "unsupported-format")
    assert not page_sessions.has_photo("page")
    assert api.post(PHOTO, content=RED, headers=headers).status_code == 200
    assert page_sessions.has_photo("page")


@pytest.mark.usefixtures("own_corrections")
def test_photos_of_streamlits_sessions_wait_in_the_lane_of_pages(
    api: TestClient, page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes: list[str] = []
    submit = AdmissionQueue.submit

    def record(queue: AdmissionQueue, *values: Any) -> Any:
        lanes.append(values[-1])
        return submit(queue, *values)

    monkeypatch.setattr(AdmissionQueue, "submit", record)
    issued = api.post("/api/session/")
    assert (issued.status_code, issued.headers["cache-control"]) == (201, "no-store")
    page.post(PHOTO, content=RED)
    page.post(CORRECTION, data={"label": "red"}, files=FILE)
    api.post(PHOTO, content=RED)
    api.post(PHOTO, content=RED, headers={"Loupe-Session": issued.json()["token"]})
    assert lanes == ["screen", "screen", "api", "api"]
    assert api.get("/api/session/").status_code == 405
    assert api.post("/api/session/photo").status_code == 404
    assert "session" not in " ".join(api.get("/api/v1/openapi.json").json()["paths"])


def test_wrong_token_is_rejected(api: TestClient) -> None:
    closed = page_sessions.open_session()
    page_sessions.close_session(closed)
    for sent in ("é", "unknown", closed):
        headers = {b"Loupe-Session": sent.encode("latin-1")}
        for path in (PHOTO, f"{PHOTO}?model=nobody", f"{PHOTO}?explain=1&pixels=0", CORRECTION):
            is_problem(api.post(path, content=RED, headers=headers), 403, "no-session")


def test_page_of_another_site_is_rejected_even_with_a_token(page: TestClient) -> None:
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in (PHOTO, CORRECTION, "/api/session/"):
        is_problem(page.post(path, content=RED, headers=evil), 403, "cross-site")
        assert "access-control-allow-origin" not in page.options(path, headers=preflight).headers


def pack(pixels: NDArray[np.uint8]) -> bytes:
    """Do what ``device/engine/preprocess.mjs`` does."""
    planes = pixels.transpose(2, 0, 1).copy()
    planes[[0, 2]] -= planes[1]
    planes[:, 1:] -= planes[:, :-1].copy()
    return zlib.compress(planes.tobytes())


def test_pixels_give_the_answer_and_the_explanation_of_their_photo(
    api: TestClient, page: TestClient, tiny_bundle: Bundle
) -> None:
    pixels = np.random.default_rng(0).integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
    pixels[:, : SIDE // 2, 0] += 190
    photo = encoded(Image.fromarray(pixels), "PNG")
    expected = page.post(f"{PHOTO}?explain=true", content=photo).json()
    heat = expected["explanation"]["heat"]
    assert [len(row) for row in heat] == [SIDE] * SIDE
    assert 0.5 < max(map(max, heat)) <= 1
    assert min(map(min, heat)) >= 0
    for body, packed in ((pixels.tobytes(), False), (pack(pixels), True)):
        query: dict[str, Any] = {"explain": "true", "pixels": tiny_bundle.version, "packed": packed}
        answer = page.post(PHOTO, params=query, content=body).json()
        for key in ("answer", "candidates", "explanation"):
            assert answer[key] == expected[key]
        assert (answer["words"]["from_pixels"], expected["words"]["from_pixels"]) == (True, False)
        token = answer["words"]["token"]
        shared = decode(token)
        assert (shared.signature, shared.prediction.from_pixels) == (Signature.VALID, True)
        # It may be corrected without the photo, as the server's own answer.
        assert read_own_answer(token).answer == expected["answer"]
        public = api.post(PHOTO, params=query, content=body).json()
        assert public["candidates"] == expected["candidates"]


SIZE = SIDE * SIDE * 3
PACKED = zlib.compress(bytes(SIZE))
BOMB = zlib.compress(bytes(2**26))
SHORT, LONG = bytes(SIZE - 1), bytes(SIZE + 1)


def test_malformed_pixels_are_refused(page: TestClient, tiny_bundle: Bundle) -> None:
    plain = (b"", SHORT, LONG, RED, PACKED)
    packed = (b"", bytes(SIZE), zlib.compress(SHORT), PACKED[:-2], PACKED + b"x", BOMB)
    for is_packed, bodies in ((False, plain), (True, packed)):
        query: dict[str, Any] = {"pixels": tiny_bundle.version, "packed": is_packed}
        for body in bodies:
            tracemalloc.start()
            response = page.post(PHOTO, params=query, content=body)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            is_problem(response, 422, "damaged")
            assert "32 × 32 × 3 bytes" in response.json()["detail"]
            assert memory_budget().used == 0
            assert peak < 8 * 2**20
    large = page.post(PHOTO, params={"pixels": tiny_bundle.version}, content=bytes(PHOTO_BYTES + 1))
    is_problem(large, 413, "too-large")
    other = page.post(f"{PHOTO}?pixels=0123456789ab", content=bytes(SIZE))
    is_problem(other, 409, "other-version")


@pytest.mark.usefixtures("own_corrections")
class TestCorrections:
    def test_kept_answer_is_corrected_without_its_photo(self, page: TestClient) -> None:
        answer = page.post(PHOTO, content=RED).json()
        fields = {"token": answer["words"]["token"], "label": " a  crimson\tthing "}
        response = page.post(CORRECTION, data=fields)
        assert response.status_code == 201
        (saved,) = correction_store().iter_corrections()
        assert response.json() == {"id": saved.id}
        assert (saved.predicted, saved.label, saved.has_photo) == ("red", "a crimson thing", False)
        # The same again, by a second tap, is not another one.
        page.post(CORRECTION, data=fields)
        assert correction_store().count() == 1

    def test_unsigned_answer_is_not_corrected(
        self, page: TestClient, colours: Classifier, link: str
    ) -> None:
        unsigned = link.partition(".")[0]
        others = unsigned, unsigned + link[-10:], link.replace("~c~", "~l~"), "nonsense", link[:-1]
        for other in others:
            response = page.post(CORRECTION, data={"token": other, "label": "rose"})
            is_problem(response, 422, "link-refused")
            assert "Send its photo" in response.json()["detail"]
        assert correction_store().count() == 0
        # A device's answer can't be signed; its correction names the engine.
        on_device = encode(replace(colours.identify(RED), engine="wasm", graph="small"))
        response = page.post(CORRECTION, data={"token": on_device, "label": "rose"})
        assert response.status_code == 201
        (saved,) = correction_store().iter_corrections()
        assert (saved.predicted, saved.label, saved.engine) == ("red", "rose", "wasm")

    def test_photo_is_identified_again(self, page: TestClient, link: str) -> None:
        fields = {"token": link, "label": ["red", "round"]}
        blue = ("photo", encoded(colour("blue"), "PNG"))
        assert page.post(CORRECTION, data=fields, files={"photo": blue}).status_code == 201
        (saved,) = correction_store().iter_corrections()
        assert (saved.predicted, saved.label, saved.has_photo) == ("blue", "red; round", True)
        assert (correction_store().get_photo(saved.id) or b"").startswith(b"\xff\xd8")

    def test_photo_is_not_passed_on(
        self, page: TestClient, serve: Serve, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for cache in ("_loaded", "_by_fingerprint"):
            monkeypatch.setattr(loading, cache, {})
        # No server listens on this port.
        client = serve(LOUPE_API=f"http://127.0.0.1:{free_port()}")
        client.headers["Loupe-Session"] = token
        assert client.post(PHOTO, content=RED).status_code == 503
        assert client.post(f"{PHOTO}?explain=true", content=RED).status_code == 200
        assert client.post(CORRECTION, data={"label": "red"}, files=FILE).status_code == 201
        # Also of any client of the API, without a page's token.
        del client.headers["Loupe-Session"]
        url = "/api/v1/corrections?model=tiny&label=red"
        assert client.post(url, content=RED).status_code == 201

    def test_invalid_correction_saves_nothing(self, page: TestClient, link: str) -> None:
        labels: tuple[Any, ...] = ([], "", "\0\7", "x" * 201, ["red"] * 21)
        changes = [{"label": label} for label in labels]
        changes += [{"token": "x" * 1001}, {"token": "unknown"}]
        changes += [{"other": "1"}, {"wording": "other"}, {"undo_key": "short"}]
        for fields in changes:
            response = page.post(CORRECTION, data={"token": link, "label": "red", **fields})
            assert response.status_code in (400, 422), fields
        assert correction_store().count() == 0

    def test_session_saves_ten_corrections_at_most(self, page: TestClient, link: str) -> None:
        fields = [{"token": link, "label": f"thing {number}"} for number in range(11)]
        statuses = [page.post(CORRECTION, data=one).status_code for one in fields]
        assert statuses == [201] * 10 + [507]
