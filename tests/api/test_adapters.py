"""``api.adapters``: the contracts of SageMaker and Vertex AI."""

import base64
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.body_limits import Body, memory_budget
from tests.api.v1.test_identify import is_problem, without_times
from tests.model.tiny import colour
from tests.photos import encoded

RED, BLUE = (encoded(colour(name), "PNG") for name in ("red", "blue"))
PREDICT = "/v1/predict:all"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@pytest.fixture
def sagemaker(serve: Any, tiny_bundle: Any) -> TestClient:
    client: TestClient = serve(LOUPE_MODEL="tiny", LOUPE_SAGEMAKER="1")
    return client


@pytest.fixture
def vertex(serve: Any, tiny_bundle: Any) -> TestClient:
    routes = {"AIP_HEALTH_ROUTE": "/health", "AIP_PREDICT_ROUTE": PREDICT}
    client: TestClient = serve(LOUPE_MODEL="tiny", **routes)
    return client


def test_adapters_and_metrics_are_off_by_default(api: TestClient) -> None:
    assert {api.get(path).status_code for path in ("/ping", "/metrics")} == {404}
    assert api.post("/invocations", content=RED).status_code == 404
    is_problem(api.get("/execution-parameters"), 404, "not-found")


def test_sagemaker_routes_respond_as_its_contract_says(sagemaker: TestClient) -> None:
    assert sagemaker.get("/ping").status_code == 200
    response = sagemaker.post(
        "/invocations", content=RED, headers={ATTRIBUTES: "top=2&model=tiny&engine=learner&x"}
    )
    expected = sagemaker.post("/api/v1/identify?top=2", content=RED)
    assert without_times(response.json()) == without_times(expected.json())


def test_sagemaker_errors_are_those_of_the_api(sagemaker: TestClient) -> None:
    is_problem(sagemaker.post("/invocations", content=b"text"), 415, "unsupported-format")
    is_problem(sagemaker.post("/invocations", content=b"0" * (21 * 2**20)), 413, "too-large")
    for attributes in ("top=none", "model=../x"):
        response = sagemaker.post("/invocations", content=RED, headers={ATTRIBUTES: attributes})
        is_problem(response, 422, "invalid")
    for attributes in ("&&&=", "top", ";" * 1000, "=&" * 1000):
        response = sagemaker.post("/invocations", content=RED, headers={ATTRIBUTES: attributes})
        assert response.status_code in (200, 400, 422)
    assert sagemaker.get("/invocations").status_code == 405


def test_sagemaker_reports_batch_transform_limits(sagemaker: TestClient) -> None:
    limits = sagemaker.get("/execution-parameters").json()
    assert limits["BatchStrategy"] == "SINGLE_RECORD"
    assert limits["MaxPayloadInMB"] == 20
    assert 1 <= limits["MaxConcurrentTransforms"] * limits["MaxPayloadInMB"] <= 100


def instances(*photos: bytes) -> list[dict[str, Any]]:
    return [{"image_bytes": {"b64": base64.b64encode(photo).decode()}} for photo in photos]


def test_vertex_predicts_each_instance(vertex: TestClient) -> None:
    assert vertex.get("/health").status_code == 200
    sent = [*instances(RED, b"text", BLUE), {"b64": "*"}]
    body = {"instances": sent, "parameters": {"top": 1, "other": 2}}
    predictions = vertex.post(PREDICT, json=body).json()["predictions"]
    assert [prediction.get("answer") for prediction in predictions] == ["red", None, "blue", None]
    codes = [prediction["error"]["code"] for prediction in predictions[1::2]]
    assert codes == ["unsupported-format", "malformed"]
    assert [len(prediction["candidates"]) for prediction in predictions[::2]] == [1, 1]
    # A missing model is an error of the request.
    missing = {"instances": sent, "parameters": {"model": "nobody"}}
    is_problem(vertex.post(PREDICT, json=missing), 404, "no-such-model")


def test_vertex_rejects_other_json(vertex: TestClient) -> None:
    for body in (b"", b"{", b"\xff", b'{"instances": ' + b"[" * 100_000 + b"}"):
        is_problem(vertex.post(PREDICT, content=body), 400, "malformed")
    for body in (
        b"[]",
        b'{"instances": []}',
        b'{"instances": [{}]}',
        b'{"instances": [{"image_bytes": {"b64": 5}}]}',
        b'{"instances": [{"b64": "QUJD"}], "parameters": {"top": 0}}',
        b'{"instances": [' + b",".join([b'{"b64": ""}'] * 101) + b"]}",
    ):
        is_problem(vertex.post(PREDICT, content=body), 422, "invalid")


def test_vertex_accepts_every_common_form_of_base64(vertex: TestClient) -> None:
    plain = base64.b64encode(RED).decode()
    lines = "\n".join(plain[at : at + 76] for at in range(0, len(plain), 76))
    forms = [
        {"b64": plain},
        {"image_bytes": {"b64": lines}},
        {"image_bytes": {"b64": base64.urlsafe_b64encode(RED).decode().rstrip("=")}},
    ]
    body = {"instances": forms, "parameters": None}
    predictions = vertex.post(PREDICT, json=body).json()["predictions"]
    assert [prediction["answer"] for prediction in predictions] == ["red"] * 3


def test_vertex_counts_bytes_until_the_response(vertex: TestClient) -> None:
    other = Body()
    other.bytes, other.is_complete = memory_budget().limit - 100, True
    memory_budget().bodies.add(other)
    try:
        response = vertex.post(PREDICT, json={"instances": instances(RED)})
        is_problem(response, 503, "busy")
        assert memory_budget().used == other.bytes
    finally:
        memory_budget().bodies.remove(other)
    assert vertex.post(PREDICT, json={"instances": instances(RED)}).status_code == 200
    assert memory_budget().used == 0
