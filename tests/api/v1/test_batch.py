"""``POST identify/batch``: many photos, in their order, the refused ones in their places."""

import asyncio
import io
import json
import zipfile
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.dispatcher import MAX_BATCHES, dispatcher
from model.samples import samples
from tests.api.v1.test_identify import is_problem, without_times
from tests.model.tiny import COLOURS, colour
from tests.photos import encoded

URL = "/api/v1/identify/batch"
PHOTOS = {f"{name}.png": encoded(colour(name), "PNG") for name in COLOURS}


def parts(photos: dict[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("photos", (name, data)) for name, data in photos.items()]


def zipped(photos: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in photos.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_answers_stand_in_the_order_of_the_photos(api: TestClient) -> None:
    answer = api.post(f"{URL}?top=1", files=parts(PHOTOS))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()["answers"]
    assert [(one["photo"], one["answer"]) for one in found] == [
        (f"{name}.png", name) for name in COLOURS
    ]
    assert {len(one["candidates"]) for one in found} == {1}


def test_an_answer_is_as_the_one_alone(api: TestClient) -> None:
    photo = samples()[1].read()
    batch = api.post(f"{URL}?model=imagenet", files=parts({"a": photo})).json()["answers"]
    alone = api.post("/api/v1/identify?model=imagenet", files={"photo": ("a", photo)}).json()
    for one in (*batch, alone):
        one["candidates"] = [
            {**found, "probability": round(found["probability"], 4)} for found in one["candidates"]
        ]
    assert [without_times(one) for one in batch] == [without_times(alone)]


def test_a_refused_photo_costs_no_other(api: TestClient) -> None:
    photos = {"a.png": PHOTOS["red.png"], "b.txt": b"no photo", "c.png": b"", "d.png": b"\x89PNG"}
    found = api.post(URL, files=parts({**photos, "e.png": PHOTOS["blue.png"]})).json()["answers"]
    assert [one["photo"] for one in found] == ["a.png", "b.txt", "c.png", "d.png", "e.png"]
    assert [one.get("error", {}).get("code") for one in found][1:3] == [
        "unsupported-format",
        "empty",
    ]
    assert [one.get("answer") for one in found] == ["red", None, None, None, "blue"]
    assert set(found[1]) == {"photo", "error"}


def test_a_line_an_answer_where_lines_are_asked_for(api: TestClient) -> None:
    answer = api.post(URL, files=parts(PHOTOS), headers={"Accept": "application/x-ndjson"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = answer.text.splitlines()
    assert [json.loads(line)["answer"] for line in lines] == list(COLOURS)


def test_a_zip(api: TestClient) -> None:
    photos = {f"folder/{name}": data for name, data in PHOTOS.items()}
    answer = api.post(URL, content=zipped({**photos, "notes.txt": b"x", ".hidden.png": b"x"}))
    assert [one["answer"] for one in answer.json()["answers"]] == list(COLOURS)
    assert answer.json()["answers"][0]["photo"] == "folder/red.png"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed"),
        (b"no zip", 422, "archive-refused"),
        (zipped({"notes.txt": b"x"}), 422, "archive-refused"),
    ],
)
def test_a_zip_that_is_refused(api: TestClient, body: bytes, status: int, code: str) -> None:
    is_problem(api.post(URL, content=body), status, code)


def test_there_may_be_so_many(serve: Any, tiny_bundle: Any) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_BATCH="3")
    assert client.post(URL, files=parts(dict(list(PHOTOS.items())[:3]))).status_code == 200
    answer = client.post(URL, files=parts(PHOTOS))
    is_problem(answer, 400, "malformed")
    assert "send at most 3 photos" in answer.json()["detail"]
    is_problem(client.post(URL, content=zipped(PHOTOS)), 422, "archive-refused")


def test_a_form_without_photos_or_for_no_model(api: TestClient) -> None:
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    body = b'--x\r\nContent-Disposition: form-data; name="top"\r\n\r\n1\r\n--x--\r\n'
    is_problem(api.post(URL, content=body, headers=boundary), 400, "missing")
    is_problem(api.post(f"{URL}?model=nobody", files=parts(PHOTOS)), 404, "no-such-model")
    assert not dispatcher()._batches.locked()


def test_two_batches_at_a_time(api: TestClient) -> None:
    places, dispatcher()._batches = dispatcher()._batches, asyncio.Semaphore(0)
    is_problem(api.post(URL, files=parts(PHOTOS)), 503, "busy")
    # One photo is still answered.
    assert api.post("/api/v1/identify", content=PHOTOS["red.png"]).status_code == 200
    dispatcher()._batches = places
    for _ in range(MAX_BATCHES + 1):
        assert api.post(URL, files=parts(PHOTOS)).status_code == 200
    assert not places.locked()


def test_a_batch_that_the_server_stops_in_says_which_photos_are_missing(api: TestClient) -> None:
    with api.stream("POST", URL, files=parts(PHOTOS)) as answer:
        dispatcher().stopping = True
        found = json.loads(b"".join(answer.iter_bytes()))["answers"]
    assert [one["photo"] for one in found] == list(PHOTOS)
    codes = [one.get("error", {}).get("code") for one in found]
    assert set(codes) <= {None, "stopping"}
