"""``POST corrections``: what is kept, and only what was agreed to."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.v1 import params
from model.corrections import MAX_LABEL_LENGTH, correction_store
from tests.api.v1.test_identify import is_problem
from tests.model.tiny import colour
from tests.photos import encoded

URL = "/api/v1/corrections"
RED = encoded(colour("red"), "PNG")


@pytest.fixture(autouse=True)
def _own_records() -> Any:
    correction_store.cache_clear()
    yield
    if correction_store.cache_info().currsize:
        correction_store().close()
    correction_store.cache_clear()


def test_a_correction_is_kept_with_what_the_model_says(api: TestClient, tiny_bundle: Any) -> None:
    answer = api.post(f"{URL}?label=green", content=RED)
    assert answer.status_code == 201
    (kept,) = correction_store().iter_corrections()
    assert answer.json() == {
        "id": kept.id,
        "model": "tiny",
        "version": tiny_bundle.version,
        "predicted": "red",
        "label": "green",
        "known": True,
        "kept": False,
    }
    assert (kept.predicted, kept.label, kept.known, kept.has_photo) == ("red", "green", True, False)


def test_a_photo_is_kept_only_where_the_visitor_agrees(api: TestClient) -> None:
    form = {"label": " a  crimson\tthing ", "keep": "true", "model": "tiny"}
    answer = api.post(URL, files={"photo": ("red.png", RED)}, data=form).json()
    assert (answer["label"], answer["known"], answer["kept"]) == ("a crimson thing", False, True)
    # What is kept is a new picture, never the bytes that were sent.
    photo = correction_store().get_photo(answer["id"])
    assert photo is not None
    assert photo.startswith(b"\xff\xd8")


def test_none_of_these_can_be_corrected(serve: Any, calibrated_bundle: Any) -> None:
    client = serve(LOUPE_MODEL="calibrated")
    grey = encoded(colour("white").point(lambda value: value // 2), "PNG")
    answer = client.post(f"{URL}?label=grey", content=grey).json()
    assert (answer["predicted"], answer["known"]) == (None, False)


@pytest.mark.parametrize("query", ["", "label=", "label=%20%09", f"label={'x' * 201}"])
def test_a_label_must_be_given_and_short(api: TestClient, query: str) -> None:
    answer = api.post(f"{URL}?{query}", content=RED)
    is_problem(answer, 422, "invalid")
    assert answer.json()["detail"].startswith("label: ")
    assert correction_store().count() == 0


def test_a_label_of_what_is_not_seen_is_refused(api: TestClient) -> None:
    is_problem(api.post(f"{URL}?label=%00%07", content=RED), 422, "invalid")


def test_a_refused_photo_is_no_correction(api: TestClient) -> None:
    is_problem(api.post(f"{URL}?label=red", content=b"text"), 415, "unsupported-format")
    assert correction_store().count() == 0


def test_records_that_cannot_be_used_tell_no_secret(serve: Any, tiny_bundle: Any) -> None:
    url = "postgresql://owner:hidden-word@127.0.0.1:9/records"
    client = serve(LOUPE_MODEL="tiny", LOUPE_DATABASE=url)
    answer = client.post(f"{URL}?label=red", content=RED)
    is_problem(answer, 503, "data-refused")
    assert "hidden-word" not in answer.text


def test_the_longest_label_is_the_records() -> None:
    assert params.MAX_LABEL_LENGTH == MAX_LABEL_LENGTH
