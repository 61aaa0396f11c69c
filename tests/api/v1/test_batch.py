"""``POST identify/batch``: many photos in order, rejected ones in their places."""

import asyncio
import json
from typing import Any

from starlette.testclient import TestClient

from api.dispatcher import MAX_BATCHES, dispatcher
from tests.api.v1.test_identify import is_problem
from tests.model.tiny import COLOURS, colour
from tests.photos import encoded
from tests.zips import zipped

URL = "/api/v1/identify/batch"
PHOTOS = {f"{name}.png": encoded(colour(name), "PNG") for name in COLOURS}


def parts(photos: dict[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("photos", (name, data)) for name, data in photos.items()]


def test_results_keep_the_order_of_the_photos(api: TestClient) -> None:
    response = api.post(f"{URL}?top=1", files=parts(PHOTOS))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    results = response.json()["answers"]
    expected = [(f"{name}.png", name) for name in COLOURS]
    assert [(result["photo"], result["answer"]) for result in results] == expected
    assert {len(result["candidates"]) for result in results} == {1}
    response = api.post(URL, files=parts(PHOTOS), headers={"Accept": "application/x-ndjson"})
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [(line["photo"], line["answer"]) for line in lines] == expected


def test_rejected_photo_does_not_affect_others(api: TestClient) -> None:
    photos = {"a.png": PHOTOS["red.png"], "b.txt": b"no photo", "c.png": b"", "d.png": b"\x89PNG"}
    results = api.post(URL, files=parts({**photos, "e.png": PHOTOS["blue.png"]})).json()["answers"]
    assert [result["photo"] for result in results] == ["a.png", "b.txt", "c.png", "d.png", "e.png"]
    assert [result.get("error", {}).get("code") for result in results][1:3] == [
        "unsupported-format",
        "empty",
    ]
    assert [result.get("answer") for result in results] == ["red", None, None, None, "blue"]
    assert set(results[1]) == {"photo", "error"}


def test_zip_is_identified(api: TestClient) -> None:
    photos = {f"folder/{name}": data for name, data in PHOTOS.items()}
    response = api.post(URL, content=zipped({**photos, "notes.txt": b"x", ".hidden.png": b"x"}))
    assert [result["answer"] for result in response.json()["answers"]] == list(COLOURS)
    assert response.json()["answers"][0]["photo"] == "folder/red.png"


def test_invalid_zip_is_rejected(api: TestClient) -> None:
    is_problem(api.post(URL, content=b""), 400, "malformed")
    for body in (b"no zip", zipped({"notes.txt": b"x"})):
        is_problem(api.post(URL, content=body), 422, "archive-refused")


def test_batch_over_the_limit_is_rejected(serve: Any, tiny_bundle: Any) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_BATCH="3")
    assert client.post(URL, files=parts(dict(list(PHOTOS.items())[:3]))).status_code == 200
    response = client.post(URL, files=parts(PHOTOS))
    is_problem(response, 400, "malformed")
    assert "Maximum number of files is 3." in response.json()["detail"]
    is_problem(client.post(URL, content=zipped(PHOTOS)), 422, "archive-refused")


def test_batch_without_photos_or_with_an_unknown_model_is_rejected(api: TestClient) -> None:
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    body = b'--x\r\nContent-Disposition: form-data; name="top"\r\n\r\n1\r\n--x--\r\n'
    is_problem(api.post(URL, content=body, headers=boundary), 400, "missing")
    is_problem(api.post(f"{URL}?model=nobody", files=parts(PHOTOS)), 404, "no-such-model")
    assert not dispatcher()._batches.locked()


def test_third_batch_is_busy(api: TestClient) -> None:
    places, dispatcher()._batches = dispatcher()._batches, asyncio.Semaphore(0)
    is_problem(api.post(URL, files=parts(PHOTOS)), 503, "busy")
    # A single photo is still identified.
    assert api.post("/api/v1/identify", content=PHOTOS["red.png"]).status_code == 200
    dispatcher()._batches = places
    for _ in range(MAX_BATCHES + 1):
        assert api.post(URL, files=parts(PHOTOS)).status_code == 200
    assert not places.locked()
