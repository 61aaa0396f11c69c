"""``/api/live`` and ``/api/ready``: what hosts poll before they send visitors."""

import asyncio
import logging

import pytest

from api import lifecycle
from api.dispatcher import dispatcher
from model.answer import share_link
from model.answer.share_link import KEY_FILE
from model.bundle.registry import store_pending
from model.model_store.follower import Follower
from model.settings import settings
from tests.model.tiny import colour, tiny
from tests.photos import encoded


@pytest.fixture
def client(serve):
    return serve()


def test_ready_names_model_version_and_engine(client, imagenet):
    response = client.get("/api/ready")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "model": "imagenet",
        "version": imagenet.bundle.version,
        "engine": "compiled",
    }


def test_stopping_server_is_not_ready(client):
    dispatcher().stopping = True
    response = client.get("/api/ready")
    assert (response.status_code, response.json()["code"]) == (503, "stopping")
    live = client.get("/api/live")
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert live.headers["cache-control"] == "no-store"


def missing(models_dir):
    pass


def changed(models_dir):
    graph = tiny(models_dir, "mine").folder / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")


def other_golden_answers(models_dir):
    tiny(models_dir, "mine", golden_change=lambda arrays: arrays["pixels"].fill(0))


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (missing, "no-such-model"),
        (changed, "bundle-damaged"),
        (other_golden_answers, "golden-mismatch"),
    ],
)
def test_ready_reports_a_broken_model_without_paths(serve, models_dir, caplog, harm, code):
    harm(models_dir)
    client = serve(LOUPE_MODEL="mine")
    response = client.get("/api/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "code": code}
    assert str(models_dir) not in response.text
    assert client.get("/api/live").status_code == 200
    # The app still starts, and its page says what is wrong.
    with caplog.at_level(logging.ERROR, logger="loupe"):
        asyncio.run(started())
    assert code in caplog.text


async def started():
    async with lifecycle.lifespan(None):
        pass


@pytest.mark.parametrize("has_version", [False, True])
def test_replica_says_that_it_has_no_database(serve, models_dir, monkeypatch, has_version):
    monkeypatch.setenv("LOUPE_DATABASE", "postgresql://loupe@127.0.0.1:1/none")
    monkeypatch.setenv("LOUPE_STORE", str(models_dir.parent / "store"))
    if has_version:
        tiny(models_dir)
    settings.cache_clear()
    store_pending.set()
    follower = Follower()
    follower.compare()
    follower.compared.set()
    monkeypatch.setattr(lifecycle, "store_follower", lambda: follower)
    try:
        client = serve(LOUPE_MODEL="tiny")
        response = client.get("/api/ready")
        photo = encoded(colour("red"), "PNG")
        identified = client.post("/api/v1/identify?model=tiny", content=photo).status_code
    finally:
        store_pending.clear()
    reply = response.json()
    assert reply.pop("store") == [{"code": "database-unavailable"}]
    if has_version:
        assert (response.status_code, reply["status"], identified) == (200, "ready", 200)
    else:
        assert reply == {"status": "not ready", "code": "store-pending"}
        assert (response.status_code, identified) == (503, 503)


def test_start_creates_the_signing_key(client, data_folder):
    key = data_folder / KEY_FILE
    secret = key.read_text().strip()
    assert secret
    assert secret == share_link.signing_secret()


def test_start_makes_earlier_corrections_private(serve, data_folder):
    data_folder.mkdir(exist_ok=True)
    files = [data_folder / f"records.sqlite{end}" for end in ("", "-wal")]
    for file in files:
        file.touch(mode=0o644)
        file.chmod(0o644)
    serve()
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_app_starts_if_the_signing_key_cannot_be_stored(serve, data_folder, caplog):
    # A file in the folder's place: root ignores the mode of a read-only folder.
    data_folder.touch()
    share_link._warn_unsigned.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert serve().get("/api/live").status_code == 200
    assert "Share links are not signed" in caplog.text
    assert data_folder.read_bytes() == b""


def test_start_warns_of_a_weak_owner_key(serve, caplog):
    with caplog.at_level(logging.WARNING):
        serve(LOUPE_OWNER_KEY="secret secret secret secret")
    assert "owner --new-key" in caplog.text
    assert "secret secret" not in caplog.text


@pytest.mark.torch
def test_engine_that_a_model_lacks_is_named(serve, models_dir):
    tiny(models_dir, "mine")
    client = serve(LOUPE_ENGINE="learner", LOUPE_MODEL="mine", LOUPE_MEMORY_MB="2048")
    reason = "The model 'mine' has no engine 'learner'. Available: compiled."
    assert client.get("/api/ready").json() == {
        "status": "not ready",
        "code": "engine-unavailable",
        "detail": reason,
    }
    assert client.post("/api/v1/identify", content=b"x").json()["detail"] == reason
