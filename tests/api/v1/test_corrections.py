"""``POST corrections``: labels are saved, photos only with consent."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from model.corrections import correction_store
from model.corrections.page_sessions import MAX_CORRECTIONS, page_sessions
from tests.api.v1.test_identify import is_problem
from tests.model.tiny import colour
from tests.photos import encoded

pytestmark = pytest.mark.usefixtures("own_corrections")

URL = "/api/v1/corrections"
RED = encoded(colour("red"), "PNG")


def test_correction_is_saved_with_the_prediction(api: TestClient, tiny_bundle: Any) -> None:
    response = api.post(f"{URL}?label=green", content=RED)
    assert response.status_code == 201
    (correction,) = correction_store().iter_corrections()
    assert response.json() == {
        "id": correction.id,
        "model": "tiny",
        "version": tiny_bundle.version,
        "predicted": "red",
        "label": "green",
        "known": True,
        "kept": False,
    }
    saved = correction.predicted, correction.label, correction.known, correction.has_photo
    assert saved == ("red", "green", True, False)


def test_photo_is_saved_only_with_consent(api: TestClient) -> None:
    form = {"label": " a  crimson\tthing ", "keep": "true", "model": "tiny"}
    response = api.post(URL, files={"photo": ("red.png", RED)}, data=form).json()
    shown = response["label"], response["known"], response["kept"]
    assert shown == ("a crimson thing", False, True)
    # A new picture is saved, never the bytes that were sent.
    photo = correction_store().get_photo(response["id"])
    assert photo is not None
    assert photo.startswith(b"\xff\xd8")


def test_out_of_distribution_prediction_can_be_corrected(
    serve: Any, calibrated_bundle: Any
) -> None:
    client = serve(LOUPE_MODEL="calibrated")
    grey = encoded(colour("white").point(lambda value: value // 2), "PNG")
    response = client.post(f"{URL}?label=grey", content=grey).json()
    assert (response["predicted"], response["known"]) == (None, False)


def test_label_is_required_and_limited(api: TestClient) -> None:
    for label in ("", "%20%09", "%00%07", "x" * 201, "x" * 10_000):
        response = api.post(f"{URL}?{label and f'label={label}'}", content=RED)
        is_problem(response, 422, "invalid")
        assert response.json()["detail"].startswith("label: ")
    assert correction_store().count() == 0


def test_unusable_database_reveals_no_secret(serve: Any, tiny_bundle: Any) -> None:
    url = "postgresql://owner:hidden-word@127.0.0.1:9/records"
    client = serve(LOUPE_MODEL="tiny", LOUPE_DATABASE=url)
    response = client.post(f"{URL}?label=red", content=RED)
    is_problem(response, 503, "data-refused")
    assert "hidden-word" not in response.text


def test_corrections_beyond_the_minute_limit_are_429_with_the_wait(
    serve: Any, tiny_bundle: Any
) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_CORRECTIONS_PER_MINUTE="1")
    assert client.post(f"{URL}?label=red", content=RED).status_code == 201
    response = client.post(f"{URL}?label=red", content=RED)
    is_problem(response, 429, "too-many-corrections")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert correction_store().count() == 1


def test_corrections_beyond_the_storage_limit_are_507(serve: Any, tiny_bundle: Any) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_CORRECTIONS_MAX="2", LOUPE_CORRECTIONS_MB="0")
    assert client.post(f"{URL}?label=red", content=RED).status_code == 201
    response = client.post(f"{URL}?label=red&keep=true", content=RED)
    is_problem(response, 507, "corrections-full")
    assert "without the photo" in response.json()["detail"]
    second = client.post(f"{URL}?label=red", content=RED).json()
    is_problem(client.post(f"{URL}?label=red", content=RED), 507, "corrections-full")
    assert correction_store().delete(second["id"])
    assert client.post(f"{URL}?label=red", content=RED).status_code == 201


def test_page_undoes_what_it_saved_and_may_save_it_again(
    serve: Any, colours: Any, token: str
) -> None:
    client, page = serve(LOUPE_CORRECTIONS_MAX="1"), {"Loupe-Session": token}
    # The page may have another token by then.
    undo = {"Loupe-Session": page_sessions.issue_token(), "Loupe-Undo-Key": "k" * 22}
    fields = {"model": "tiny", "label": "green", "wording": "form-photo-1", "undo_key": "k" * 22}
    for _ in range(MAX_CORRECTIONS + 1):
        files = {"photo": ("photo", RED)}
        number = client.post(URL, data=fields, files=files, headers=page).json()["id"]
        (correction,) = correction_store().iter_corrections()
        assert str(correction.wording).endswith("Save a small copy of my photo as well.")
        wrong = client.delete(f"{URL}/{number}", headers={**undo, "Loupe-Undo-Key": "K" * 22})
        is_problem(wrong, 404, "no-such-correction")
        assert wrong.text == client.delete(f"{URL}/{number + 1}", headers=undo).text
        is_problem(client.delete(f"{URL}/{number}", headers=page), 422, "invalid")
        no_page = client.delete(f"{URL}/{number}", headers={"Loupe-Undo-Key": "k" * 22})
        is_problem(no_page, 403, "no-session")
        assert client.delete(f"{URL}/{number}", headers=undo).status_code == 204
        assert correction_store().count() == 0
