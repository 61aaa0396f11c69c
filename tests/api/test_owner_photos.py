"""``/owner/photos``: the owner alone sends zips of photos and sees the photos."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from api import body_limits, owner_photos
from api.door import door_routes
from model.settings import settings
from model.sign_ins import SignIn, sign_ins
from model.storage import disk
from model.training.photo_sets import get_photo_set, photos_by_label
from tests.api.conftest import forget
from tests.model.tiny import colour
from tests.photos import encoded
from tests.zips import zipped

APP = "http://localhost:8501"
RED, GREEN = (encoded(colour(name), "PNG") for name in ("red", "green"))
ZIP = zipped({"red/a.png": RED, "green/b.png": GREEN, "green/c.png": b"not a photo", "d.png": RED})
PATH = "/owner/photos/shades"


@pytest.fixture
def stranger(own_corrections: None) -> Iterator[TestClient]:
    forget()
    sign_ins.cache_clear()
    yield TestClient(Starlette(routes=door_routes()), base_url=APP, headers={"Origin": APP})
    sign_ins().close()
    sign_ins.cache_clear()
    forget()


@pytest.fixture
def owner(stranger: TestClient) -> TestClient:
    sign_in = SignIn(sign_ins().open(), APP)
    stranger.cookies.set(sign_in.cookie_name(), sign_in.to_cookie())
    return stranger


def left() -> list[str]:
    """Return what is in the folder of the sets, except locks."""
    folder = settings().data / "photos"
    return sorted({path.name for path in folder.glob("*")} - {".lock"})


def call(client: TestClient, *parts: bytes, length: int | None = None) -> tuple[int, int]:
    """Send a body without an end; return the status, and how many messages were read.

    The last part comes again and again, or without any part the client is gone.
    """
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"host": "localhost:8501", "origin": APP, "cookie": cookies}
    headers |= {} if length is None else {"content-length": str(length)}
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b""}
    scope["headers"] = Headers(headers).raw
    read, statuses = 0, list[int]()

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        if len(parts) < 2 and read > len(parts):
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": parts[min(read, len(parts)) - 1], "more_body": True}

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    return statuses[0], read


def test_zip_becomes_photos(owner: TestClient) -> None:
    response = owner.post(PATH, content=ZIP)
    assert response.status_code == 201
    assert response.json() == {
        "name": "shades",
        "labels": {"green": 2, "red": 1},
        "added": 3,
        "copies": 0,
        "refused": ["d.png: It is in no folder. Use one folder per label."],
        "refused_count": 1,
    }
    assert (again := owner.post(PATH, content=ZIP)).status_code == 409
    assert again.json()["code"] == "folder-exists"
    # Without a length.
    added = owner.post(f"{PATH}?mode=add", content=iter([ZIP]))
    assert (added.status_code, added.json()["added"], added.json()["copies"]) == (201, 0, 3)
    replaced = owner.post(f"{PATH}?mode=replace", content=zipped({"red/a.png": RED}))
    assert replaced.json()["labels"] == {"red": 1}
    assert left() == ["shades"]


def test_photos_are_sent_as_small_jpegs(
    owner: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.post(PATH, content=ZIP)
    by_label = photos_by_label(get_photo_set("shades")).by_label
    photo = owner.get(f"{PATH}/{by_label['red'][0]}")
    assert (photo.headers["content-type"], photo.content[:2]) == ("image/jpeg", b"\xff\xd8")
    assert photo.headers["cache-control"] == "private, max-age=3600"
    assert photo.headers["cross-origin-resource-policy"] == "same-origin"
    statuses = [owner.get(f"{PATH}/{name}").status_code for name in by_label["green"]]
    assert sorted(statuses) == [200, 404], "one of them is damaged"
    (tmp_path / "root/birds/owl").mkdir(parents=True)
    (tmp_path / "root/birds/owl/a b.png").write_bytes(RED)
    (tmp_path / "root/birds/owl/link.png").symlink_to(tmp_path / "root/birds/owl/a b.png")
    monkeypatch.setenv("LOUPE_PHOTOS", str(tmp_path / "root"))
    settings.cache_clear()
    shown = owner.get("/owner/photos/birds/owl/a%20b.png")
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    for name in ("birds/owl/link.png", "birds/%2e%2e/birds/owl/a%20b.png", "none/a.png", "birds/"):
        response = owner.get(f"/owner/photos/{name}")
        assert (response.status_code, response.json()["code"]) == (404, "not-found")
    assert owner.post("/owner/photos/birds", content=ZIP).status_code == 422


def test_strangers_are_refused(stranger: TestClient) -> None:
    assert stranger.post(f"{PATH}?mode=replace", content=ZIP).status_code == 403
    assert call(stranger, b"x" * 2**16, b"x" * 2**16)[0] == 403


def test_refused_bodies_are_read_up_to_a_photo(
    owner: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_MEMORY_MB", "512")
    settings.cache_clear()
    part = bytes(2**20)
    for gigabytes, status in ((3, 413), (1, 503)):
        refused, read = call(owner, part, part, length=gigabytes * 2**30)
        assert refused == status
        assert read <= 21, "only a photo's bytes were discarded"
        # Next, the limit of a set is kept, but the disk is too full.
        monkeypatch.setattr(disk, "free_bytes", lambda _: 2**20)
    assert left() == []


def test_disk_that_fills_ends_the_upload(
    owner: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([1000, 10])
    monkeypatch.setattr(disk, "free_bytes", lambda _: next(free))
    response = owner.post(PATH, content=iter([b"x" * 100]))
    assert (response.status_code, response.json()["code"]) == (503, "data-refused")
    assert left() == []


def test_endless_body_is_refused_at_the_limit(
    owner: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_photos, "MAX_SET_BYTES", 10 * 2**20)
    used = body_limits.memory_budget().peak
    assert call(owner, bytes(2**20), bytes(2**20))[0] == 413
    assert body_limits.memory_budget().peak == used
    assert left() == []


def test_interrupted_upload_leaves_nothing(owner: TestClient) -> None:
    old = settings().data / "photos" / ".loupe-new-old"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    assert call(owner, ZIP[:100])[0] == 499
    assert left() == [old.name]
    assert owner.post(PATH, content=ZIP).status_code == 201
    assert left() == ["shades"]


def test_invalid_and_second_uploads_are_refused(owner: TestClient) -> None:
    for path, body in (
        (f"{PATH}?mode=other", ZIP),
        ("/owner/photos/No%20Name", ZIP),
        (PATH, b""),
        (PATH, ZIP[:-30]),
        (PATH, zipped({"d.png": RED})),
    ):
        assert owner.post(path, content=body).status_code == 422
    with owner_photos._upload_lock:
        assert owner.post(PATH, content=ZIP).status_code == 503
    assert left() == []
