"""``/api/session/``: only with an open session's token, one photo at a time, bounded."""

import tracemalloc
import zlib
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from api.body_limits import PHOTO_BYTES, memory_budget
from deploy.ports import free_port
from model import Bundle, Classifier, loading
from model.admission import AdmissionQueue
from model.answer.share_link import Signature, decode, encode
from model.corrections import correction_store
from model.corrections.page_sessions import page_sessions, read_own_answer
from tests.api.conftest import Serve
from tests.api.v1.test_identify import RED, is_problem, without_times
from tests.model.tiny import colour
from tests.photos import encoded

PHOTO, WHY, CORRECTION, PIXELS, PIXELS_WHY = (
    f"/api/session/{name}"
    for name in ("photo", "explanation", "correction", "pixels", "pixels/explanation")
)
ROUTES = [PHOTO, WHY, CORRECTION, PIXELS, PIXELS_WHY]


@pytest.fixture
def headers(token: str) -> dict[str, str]:
    return {"Loupe-Session": token}


def test_photo_has_the_apis_prediction_and_a_signed_link(
    api: TestClient, headers: dict[str, str]
) -> None:
    response = api.post(f"{PHOTO}?model=tiny&top=2", content=RED, headers=headers)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    public = api.post("/api/v1/identify?model=tiny&top=2", content=RED).json()
    assert without_times(answer["prediction"]) == without_times(public)
    shared = decode(answer["token"])
    assert shared.signature is Signature.VALID
    assert shared.prediction.to_dict("-", 2)["answer"] == answer["prediction"]["answer"]
    assert answer["where"] == "server"
    assert answer["recipe"]["resize"] == [32, 32]
    assert answer["queue_ms"] >= 0


def test_page_is_known_to_have_given_a_photo(api: TestClient) -> None:
    headers = {"Loupe-Session": page_sessions.open_session("page")}
    api.post(f"{PHOTO}?model=tiny", content=b"text", headers=headers)
    assert not page_sessions.has_photo("page")
    api.post(f"{PHOTO}?model=tiny", content=RED, headers=headers)
    assert page_sessions.has_photo("page")


@pytest.mark.usefixtures("own_corrections")
def test_photo_of_a_page_waits_in_the_lane_of_pages(
    api: TestClient, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes: list[str] = []
    submit = AdmissionQueue.submit

    def record(queue: AdmissionQueue, *values: Any) -> Any:
        lanes.append(values[-1])
        return submit(queue, *values)

    monkeypatch.setattr(AdmissionQueue, "submit", record)
    api.post(f"{PHOTO}?model=tiny", content=RED, headers=headers)
    fields: dict[str, Any] = {"data": {"label": ["red"]}, "files": {"photo": ("photo", RED)}}
    api.post(f"{CORRECTION}?model=tiny", headers=headers, **fields)
    api.post("/api/v1/identify?model=tiny", content=RED)
    assert lanes == ["screen", "screen", "api"]


@pytest.mark.parametrize("sent", [None, "é", "closed"])
def test_wrong_token_is_rejected_before_the_body_is_read(
    api: TestClient, token: str, sent: str | None
) -> None:
    if sent == "closed":
        sent = page_sessions.open_session()
        page_sessions.close_session(sent)
    headers = {} if sent is None else {b"Loupe-Session": sent.encode("latin-1")}
    for route, query in product(ROUTES, ("", "?model=nobody", "?unknown=1")):
        response = api.post(f"{route}{query}", content=RED, headers=headers)
        is_problem(response, 403, "no-session")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"what is this", 415, "unsupported-format"), (iter([bytes(2**20)] * 22), 413, "too-large")],
    ids=["text", "chunked without end"],
)
def test_rejected_photo_is_a_problem_and_frees_the_session(
    api: TestClient, headers: dict[str, str], body: Any, status: int, code: str
) -> None:
    is_problem(api.post(PHOTO, content=body, headers=headers), status, code)
    assert memory_budget().used == 0
    assert api.post(PHOTO, content=RED, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("model=nobody", 404, "no-such-model"),
        ("engine=wasm", 422, "invalid"),
        ("model=tiny&engine=learner", 503, "engine-unavailable"),
        ("modle=tiny", 422, "invalid"),
    ],
)
def test_model_and_engine_are_checked(
    api: TestClient, headers: dict[str, str], query: str, status: int, code: str
) -> None:
    is_problem(api.post(f"{PHOTO}?{query}", content=RED, headers=headers), status, code)


@pytest.mark.parametrize("route", ROUTES)
def test_page_of_another_site_is_rejected_even_with_a_token(
    api: TestClient, headers: dict[str, str], route: str
) -> None:
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    response = api.post(route, content=RED, headers=headers | evil)
    is_problem(response, 403, "cross-site")
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    response = api.options(route, headers=preflight)
    assert "access-control-allow-origin" not in response.headers


def test_only_post_is_served_and_nothing_is_in_the_public_document(api: TestClient) -> None:
    is_problem(api.get(PHOTO), 405, "method-not-allowed")
    is_problem(api.post("/api/session/other"), 404, "not-found")
    assert "session" not in api.get("/api/v1/openapi.json").text


def test_explanation_is_a_map_of_what_the_model_sees(
    api: TestClient, headers: dict[str, str]
) -> None:
    half = Image.new("RGB", (64, 64), "black")
    half.paste((255, 0, 0), (0, 0, 32, 64))
    response = api.post(f"{WHY}?model=tiny", content=encoded(half, "PNG"), headers=headers)
    assert response.status_code == 200
    why = response.json()
    assert (why["rows"], why["columns"], len(why["heat"])) == (32, 32, 32 * 32)
    assert all(0 <= cell <= 1 for cell in why["heat"])
    assert max(why["heat"]) > 0.5


def pack(pixels: NDArray[np.uint8]) -> bytes:
    """Do what ``device/engine/preprocess.mjs`` does."""
    planes = pixels.transpose(2, 0, 1).copy()
    planes[[0, 2]] -= planes[1]
    planes[:, 1:] -= planes[:, :-1].copy()
    return zlib.compress(planes.tobytes())


class TestPixels:
    @pytest.fixture
    def pixels(self) -> NDArray[np.uint8]:
        noise = np.random.default_rng(0).integers(0, 60, (32, 32, 3), dtype=np.uint8)
        noise[..., 0] += 190
        return noise

    @pytest.fixture
    def query(self, tiny_bundle: Bundle) -> str:
        return f"?model=tiny&top=2&version={tiny_bundle.version}"

    def test_pixels_and_photo_have_the_same_answer(
        self, api: TestClient, headers: dict[str, str], pixels: NDArray[np.uint8], query: str
    ) -> None:
        photo = encoded(Image.fromarray(pixels), "PNG")
        expected = api.post(f"{PHOTO}?model=tiny&top=2", content=photo, headers=headers).json()
        why = api.post(f"{WHY}?model=tiny", content=photo, headers=headers).json()
        for body, packed in ((pixels.tobytes(), ""), (pack(pixels), "&packed=true")):
            answer = api.post(f"{PIXELS}{query}{packed}", content=body, headers=headers).json()
            assert without_times(answer["prediction"]) == without_times(expected["prediction"])
            assert (answer["from_pixels"], expected["from_pixels"]) == (True, False)
            shared = decode(answer["token"])
            assert (shared.signature, shared.prediction.from_pixels) == (Signature.VALID, True)
            explained = api.post(f"{PIXELS_WHY}{query}{packed}", content=body, headers=headers)
            assert explained.json().keys() == why.keys()
            # It may be corrected without the photo, as the server's own answer.
            assert read_own_answer(answer["token"]).answer == expected["prediction"]["answer"]

    @pytest.mark.parametrize(
        ("body", "packed"),
        [
            (b"", ""),
            (bytes(32 * 32 * 3 - 1), ""),
            (bytes(32 * 32 * 3 + 1), ""),
            (RED, ""),
            (zlib.compress(bytes(32 * 32 * 3)), ""),
            (b"", "&packed=true"),
            (bytes(32 * 32 * 3), "&packed=true"),
            (zlib.compress(bytes(32 * 32 * 3 - 1)), "&packed=true"),
            (zlib.compress(bytes(32 * 32 * 3))[:-2], "&packed=true"),
            (zlib.compress(bytes(32 * 32 * 3)) + b"x", "&packed=true"),
            (zlib.compress(bytes(2**26)), "&packed=true"),
        ],
        ids=[
            "empty", "short", "long", "photo", "not said", "nothing packed", "not packed",
            "packed short", "cut", "more", "bomb",
        ],
    )  # fmt: skip
    def test_malformed_pixels_are_refused(
        self, api: TestClient, headers: dict[str, str], query: str, body: bytes, packed: str
    ) -> None:
        tracemalloc.start()
        response = api.post(f"{PIXELS}{query}{packed}", content=body, headers=headers)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        is_problem(response, 422, "damaged")
        assert "32 × 32 × 3 bytes" in response.json()["detail"]
        assert memory_budget().used == 0
        assert peak < 8 * 2**20

    def test_limits_and_version_are_checked(
        self, api: TestClient, headers: dict[str, str], query: str, pixels: NDArray[np.uint8]
    ) -> None:
        large = api.post(f"{PIXELS}{query}", content=bytes(PHOTO_BYTES + 1), headers=headers)
        is_problem(large, 413, "too-large")
        unnamed = api.post(f"{PIXELS}?model=tiny", content=pixels.tobytes(), headers=headers)
        is_problem(unnamed, 422, "invalid")
        replaced = f"{PIXELS}?model=tiny&version=0123456789ab"
        response = api.post(replaced, content=pixels.tobytes(), headers=headers)
        is_problem(response, 409, "other-version")


@pytest.mark.usefixtures("own_corrections")
class TestCorrections:
    def test_kept_answer_is_corrected_without_its_photo(
        self, api: TestClient, headers: dict[str, str]
    ) -> None:
        answer = api.post(f"{PHOTO}?model=tiny", content=RED, headers=headers).json()
        fields = {"token": answer["token"], "label": " a  crimson\tthing "}
        response = api.post(CORRECTION, data=fields, headers=headers)
        assert response.status_code == 201
        (saved,) = correction_store().iter_corrections()
        assert response.json() == {"number": saved.id}
        assert (saved.predicted, saved.label, saved.has_photo) == ("red", "a crimson thing", False)
        # The same again, by a second tap, is not another one.
        api.post(CORRECTION, data=fields, headers=headers)
        assert correction_store().count() == 1

    def test_unsigned_answer_is_not_corrected(
        self, api: TestClient, headers: dict[str, str], colours: Classifier
    ) -> None:
        link = encode(colours.identify(RED))
        for other in (link.partition(".")[0], link.replace("~c~", "~l~"), "nonsense", link[:-1]):
            fields = {"token": other, "label": "rose"}
            is_problem(api.post(CORRECTION, data=fields, headers=headers), 422, "link-refused")
        assert correction_store().count() == 0
        # A device's answer can't be signed; its correction names the engine.
        on_device = encode(replace(colours.identify(RED), engine="wasm", graph="small"))
        fields = {"token": on_device, "label": "rose"}
        assert api.post(CORRECTION, data=fields, headers=headers).status_code == 201
        (saved,) = correction_store().iter_corrections()
        assert (saved.predicted, saved.label, saved.engine) == ("red", "rose", "wasm")

    def test_photo_is_identified_again(self, api: TestClient, headers: dict[str, str]) -> None:
        blue = encoded(colour("blue"), "PNG")
        answer = api.post(f"{PHOTO}?model=tiny", content=RED, headers=headers).json()
        response = api.post(
            f"{CORRECTION}?model=tiny",
            data={"token": answer["token"], "label": ["red", "round"]},
            files={"photo": ("photo", blue)},
            headers=headers,
        )
        assert response.status_code == 201
        (saved,) = correction_store().iter_corrections()
        assert (saved.predicted, saved.label, saved.has_photo) == ("blue", "red; round", True)
        photo = correction_store().get_photo(saved.id)
        assert photo is not None
        assert photo.startswith(b"\xff\xd8")

    def test_photo_is_not_passed_on(
        self, api: TestClient, serve: Serve, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for cache in ("_loaded", "_by_fingerprint"):
            monkeypatch.setattr(loading, cache, {})
        # No server listens on this port.
        client = serve(LOUPE_API=f"http://127.0.0.1:{free_port()}")
        given: dict[str, Any] = {"headers": {"Loupe-Session": token}}
        assert client.post(f"{PHOTO}?model=tiny", content=RED, **given).status_code == 503
        assert client.post(f"{WHY}?model=tiny", content=RED, **given).status_code == 200
        fields: dict[str, Any] = {"data": {"label": ["red"]}, "files": {"photo": ("photo", RED)}}
        assert client.post(f"{CORRECTION}?model=tiny", **fields, **given).status_code == 201
        # Without a page's token as well, from any client of the API.
        url = "/api/v1/corrections?model=tiny&label=red"
        assert client.post(url, content=RED).status_code == 201

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"label": ""},
            {"label": "\u0000\u0007"},
            {"label": "x" * 201},
            {"label": ["red"] * 21},
            {"label": "red", "token": "x" * 1001},
            {"label": "red", "token": "unknown"},
            {"label": "red", "other": "1"},
        ],
    )
    def test_invalid_correction_saves_nothing(
        self, api: TestClient, headers: dict[str, str], colours: Classifier, fields: Any
    ) -> None:
        data = {"token": encode(colours.identify(RED)), **fields}
        response = api.post(CORRECTION, data=data, headers=headers)
        assert response.status_code in (400, 422), response.text
        assert correction_store().count() == 0

    def test_session_saves_ten_corrections_at_most(
        self, api: TestClient, headers: dict[str, str], colours: Classifier
    ) -> None:
        link = encode(colours.identify(RED))
        statuses = [
            api.post(
                CORRECTION, data={"token": link, "label": f"thing {number}"}, headers=headers
            ).status_code
            for number in range(11)
        ]
        assert statuses == [201] * 10 + [507]
