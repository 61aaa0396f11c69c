"""``POST identify``: the same result as everywhere else, or a problem."""

import base64
import io
import json
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from starlette.testclient import TestClient

from api.v1 import params
from model.admission import admission_queue
from model.cli import main
from model.samples import samples
from tests.model.slots import held
from tests.model.tiny import colour
from tests.photos import encoded, png

URL = "/api/v1/identify"
RED = encoded(colour("red"), "PNG")


def without_times(response: dict[str, Any]) -> dict[str, Any]:
    assert set(response["milliseconds"]) == {"decode", "preprocess", "engine", "total"}
    return {key: value for key, value in response.items() if key != "milliseconds"}


def is_problem(response: Any, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert list(body) == ["type", "title", "status", "detail", "code"]
    assert (body["code"], body["status"], body["type"]) == (code, status, f"urn:loupe:{code}")
    assert body["detail"].endswith((".", "verify"))
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("model", ["tiny", "imagenet"])
def test_response_equals_the_command_lines_json(api: TestClient, model: str) -> None:
    photo = samples()[0].read()
    printed = CliRunner().invoke(
        main, ["identify", "--json", "--model", model, "--top", "3", "-"], input=photo
    )
    response = api.post(f"{URL}?model={model}&top=3", content=photo)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == list(json.loads(printed.stdout))
    assert without_times(response.json()) == without_times(json.loads(printed.stdout))


def test_raw_body_and_form_give_the_same_result(api: TestClient) -> None:
    raw = api.post(f"{URL}?top=2", content=RED, headers={"Content-Type": "image/png"}).json()
    form = api.post(URL, files={"photo": ("red.png", RED)}, data={"top": "2"}).json()
    assert (raw["photo"], form["photo"]) == ("-", "red.png")
    assert raw["answer"] == "red"
    assert len(raw["candidates"]) == 2
    assert without_times({**form, "photo": "-"}) == without_times(raw)


def test_file_type_comes_from_the_bytes_not_the_header(api: TestClient) -> None:
    for kind in ("", "text/plain", "application/x-www-form-urlencoded", "image/jpeg", "video/mp4"):
        response = api.post(URL, content=RED, headers={"Content-Type": kind})
        assert (response.status_code, response.json()["answer"]) == (200, "red"), kind


def test_only_pages_choose_the_engine(api: TestClient, token: str) -> None:
    url = f"{URL}?model=tiny&engine=learner"
    assert api.post(url, content=RED).json()["engine"] == "compiled"
    page = api.post(url, content=RED, headers={"Loupe-Session": token})
    is_problem(page, 503, "engine-unavailable")


def test_form_fields_override_the_query(api: TestClient) -> None:
    query, fields = f"{URL}?model=nobody&top=9", {"model": "tiny", "top": "1"}
    response = api.post(query, files={"photo": RED}, data=fields)
    assert response.status_code == 200
    assert len(response.json()["candidates"]) == 1


def test_rejected_photo_is_a_problem(api: TestClient) -> None:
    for body, status, code in (
        (b"", 400, "empty"),
        (b"what is this", 415, "unsupported-format"),
        (RED[: len(RED) // 2], 422, "damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported-format"),
        # A byte over 20 MB, and over the body's limit.
        (b"\xff\xd8" + b"0" * (20 * 2**20), 413, "too-large"),
        (b"0" * (20 * 2**20 + 2**17), 413, "too-large"),
        (png(40_000, 40_000, 1, 0, bytes(1000)), 413, "too-many-pixels"),
    ):
        is_problem(api.post(URL, content=body), status, code)
        is_problem(api.post(URL, files={"photo": ("a.jpg", body)}), status, code)


def both_ways(api: TestClient, name: str, value: str) -> tuple[Any, Any]:
    """Return the responses to a parameter in the query and in the form."""
    return (
        api.post(URL, params={name: value}, content=RED),
        api.post(URL, files={"photo": RED}, data={name: value}),
    )


def test_invalid_parameter_is_named(api: TestClient) -> None:
    queries = "top=0 top=1001 top=many explain=perhaps engine=wasm model=UPPER model=../x"
    for query in queries.split():
        name, _, value = query.partition("=")
        for response in both_ways(api, name, value):
            is_problem(response, 422, "invalid")
            assert response.json()["detail"].startswith(f"{name}: ")
            assert value not in response.json()["detail"].removeprefix(name)


def test_unknown_parameter_is_rejected(api: TestClient) -> None:
    """A typo must not be answered by the default model."""
    for name, shown in (("modle", "modle: "), ("<b>", "")):
        for response in both_ways(api, name, "tiny"):
            is_problem(response, 422, "invalid")
            assert response.json()["detail"] == f"{shown}Unknown parameter. See /api/v1/docs."
    for route in ("identify/batch", "corrections"):
        response = api.post(f"/api/v1/{route}?label=red&modle=tiny", files={"photos": RED})
        is_problem(response, 422, "invalid")


def test_unknown_methods_and_paths_are_problems(api: TestClient) -> None:
    response = api.get(URL)
    is_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"
    for address in ("/api/v1/nothing", "/api/nothing", "/api/v2/identify", "/api"):
        is_problem(api.get(address), 404, "not-found")


def test_file_name_is_made_safe_to_show() -> None:
    for sent, expected in (
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("", "-"),
        ("/", "-"),
        ("x" * 400, "x" * 200),
        ("<b>.jpg", "<b>.jpg"),
        ("e\u0301.jpg", "é.jpg"),
        # Browsers and the clients escape these characters.
        ("q%22ü%0A.jpg", 'q"ü.jpg'),
    ):
        assert params.display_name(sent) == expected


def test_explanation_is_returned_on_request(api: TestClient) -> None:
    half = Image.new("RGB", (64, 64), "black")
    half.paste((255, 0, 0), (0, 0, 32, 64))
    plain = api.post(URL, content=encoded(half, "PNG")).json()
    assert "explanation" not in plain
    response = api.post(f"{URL}?explain=true", content=encoded(half, "PNG")).json()
    why = response["explanation"]
    assert why["label"] == response["candidates"][0]["label"]
    assert [len(row) for row in why["heat"]] == [16] * 16
    assert all(0 <= cell <= 1 for row in why["heat"] for cell in row)
    assert max(map(max, why["heat"])) > 0.5
    kind, _, data = why["picture"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).format == "JPEG"


def test_full_queue_responds_with_retry_after(serve: Any, tiny_bundle: Any) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_QUEUE="0")
    with held(admission_queue(), admission_queue().slots):
        response = client.post(URL, content=RED)
        is_problem(response, 503, "busy")
        assert int(response.headers["retry-after"]) >= 1
    assert client.post(URL, content=RED).status_code == 200


def test_empty_form_field_means_the_default(api: TestClient) -> None:
    photo = {"photo": ("a.png", RED)}
    expected = without_times(api.post(URL, files=photo).json())
    empty = api.post(URL, files=photo, data={"model": "", "top": "", "explain": ""})
    assert without_times(empty.json()) == expected
    is_problem(api.post(f"{URL}?model=", content=RED), 422, "invalid")
