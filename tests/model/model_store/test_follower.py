"""``model.model_store``: a replica takes what was published, and waits for what it can't take."""

import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model import Bundle, list_models, load, loading
from model.browser.cache import find_folder
from model.browser.device_files import device_name
from model.corrections import database
from model.errors import SettingRefused
from model.loading import StorePending
from model.model_store import _start_follower, store_follower
from model.model_store.follower import RETRY_SECONDS, Follower
from model.model_store.publications import Publications, make_current, publish_version, republish
from model.settings import settings
from tests.model.tiny import colour, tiny

from .conftest import Replica


def test_empty_replica_takes_publications_and_rollbacks(
    replica: Replica, first: Bundle, second: Bundle
) -> None:
    assert replica.compare() == []
    for publish_one, bundle in ((publish_version, first), (make_current, second)):
        publish_one(bundle)
        assert replica.compare() == []
        # The first photo finds it loaded, the first page its files.
        assert find_folder(device_name(bundle))
        assert ("tiny", bundle.version, "compiled") in loading._loaded
        assert load().bundle.version == bundle.version
        assert load().identify(colour("red")).top(1)[0].label == "red"
    assert republish("tiny", first.version) == second.version
    assert replica.compare() == []
    assert load().bundle.version == first.version
    # Replicas agree on which model is the newest.
    (current,) = Publications(settings().database_url).list_current()
    manifest = load().bundle.folder / "bundle.json"
    assert manifest.is_relative_to(replica.models)
    assert manifest.stat().st_mtime == pytest.approx(current.added.timestamp(), abs=0.01)


def test_concurrent_first_callers_get_one_follower(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, barrier = list[Follower](), threading.Barrier(4)

    def start(follower: Follower) -> None:
        started.append(follower)
        time.sleep(0.1)

    def ask(_: int) -> Follower | None:
        barrier.wait()
        return store_follower()

    monkeypatch.setattr(Follower, "start", start)
    _start_follower.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(ask, range(4)))
    _start_follower.cache_clear()
    assert found == {*started}
    assert len(started) == 1


def test_replica_keeps_the_current_version_and_the_one_before(
    replica: Replica, first: Bundle, tmp_path: Path
) -> None:
    own, neighbour = tiny(replica.models, title="The owner's"), Follower()
    taken = [first, *(tiny(tmp_path / "publisher", title=f"No. {n}") for n in range(3))]
    for bundle in taken:
        publish_version(bundle)
        replica.restart()
        assert replica.compare() == []
        # Another process with the same folder.
        neighbour.compare()
        assert neighbour.report() == []
        assert load().bundle.version == bundle.version
    assert replica.versions() == {own.version, taken[-2].version, taken[-1].version}


def test_owners_local_change_is_overridden(replica: Replica, first: Bundle, second: Bundle) -> None:
    """The table says what is current, and a version that is here already isn't copied."""
    publish_version(first)
    for bundle in (first, second):
        tiny(replica.models, title=bundle.manifest.title)
    shutil.rmtree(replica.store)
    assert replica.compare() == []
    assert load().bundle.version == first.version


def test_file_of_another_engine_is_fetched_once_that_engine_is_set(
    replica: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tiny(tmp_path / "publisher", more={"weights.safetensors": b"weights"})
    publish_version(bundle)
    weights = replica.models / "tiny" / bundle.version / "weights.safetensors"
    assert (replica.compare(), weights.exists()) == ([], False)
    monkeypatch.setenv("LOUPE_ENGINE", "learner")
    settings.cache_clear()
    replica.restart()
    # The model of colours has no such engine.
    assert [problem["code"] for problem in replica.compare()] == ["engine-unavailable"]
    assert weights.read_bytes() == b"weights"


def test_failed_version_is_tried_again_after_a_pause(
    replica: Replica, first: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_version(first)
    now, tries = [0.0], []

    def fail(_: object) -> None:
        tries.append(now[0])
        raise OSError("no room")

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(replica.follower, "_take", fail)
    for second in range(2 * RETRY_SECONDS + 1):
        now[0] = float(second)
        replica.follower.compare()
    assert tries == [0, RETRY_SECONDS, 2 * RETRY_SECONDS]


@pytest.mark.parametrize("wanted", ["", "tiny"])
def test_replica_without_any_version_answers_nothing(
    replica: Replica, first: Bundle, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    """``imagenet`` would answer in place of the owner's model."""
    monkeypatch.setenv("LOUPE_MODEL", wanted)
    settings.cache_clear()
    publish_version(first)
    shutil.move(replica.store, replica.store.with_name("gone"))
    for _ in range(2):
        assert replica.compare()
        with pytest.raises(StorePending):
            load("imagenet")
        assert "imagenet" not in list_models()
    shutil.move(replica.store.with_name("gone"), replica.store)
    assert replica.compare() == []
    assert "imagenet" in list_models()
    # From then on it answers, whatever is published.
    tiny(replica.store, "broken")
    replica.insert(name="broken", version="0" * 12, sha256="0" * 64)
    assert len(replica.compare()) == 1
    assert load().bundle.version == first.version


def test_empty_replica_waits_for_all_models_or_the_one_in_the_settings(
    replica: Replica, first: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tiny(tmp_path / "publisher", "other")
    for bundle in (first, other):
        publish_version(bundle)
    (replica.store / "other" / other.version / "graph.onnx").unlink()
    assert len(replica.compare()) == 1
    with pytest.raises(StorePending):
        load("tiny")
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    settings.cache_clear()
    assert len(replica.compare()) == 1
    assert load().bundle.version == first.version


def test_model_that_was_added_last_opens(replica: Replica, first: Bundle, tmp_path: Path) -> None:
    other = tiny(tmp_path / "publisher", "other")
    for bundle in (first, other, tiny(tmp_path / "publisher", title="Updated")):
        publish_version(bundle)
    republish("tiny", first.version)
    assert replica.compare() == []
    assert load().bundle.version == other.version


def test_unreachable_database_leaves_the_previous_version(
    replica: Replica, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOUPE_DATABASE", "postgresql://loupe:known@127.0.0.1:1/none")
    settings.cache_clear()
    assert replica.compare() == [{"code": "database-unavailable"}]
    with pytest.raises(StorePending):
        load()
    own = tiny(replica.models)
    replica.restart()
    assert replica.compare() == [{"code": "database-unavailable"}]
    assert load().bundle.version == own.version
    assert "known" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("reply", [b"", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"], ids=["login", "query"])
def test_follower_survives_a_hanging_database(
    replica: Replica, monkeypatch: pytest.MonkeyPatch, reply: bytes
) -> None:
    def hang() -> None:
        for _ in range(2):
            connections.append(server.accept()[0])
            connections[-1].recv(1000)
            connections[-1].sendall(reply)

    connections: list[socket.socket] = []
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_SECONDS", 2)  # the least of psycopg
    monkeypatch.setattr(database, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=hang, daemon=True).start()
        url = f"postgresql://127.0.0.1:{server.getsockname()[1]}/x?sslmode=disable"
        monkeypatch.setenv("LOUPE_DATABASE", f"{url}&gssencmode=disable")
        settings.cache_clear()
        assert replica.compare() == [{"code": "database-unavailable"}]
    for connection in connections:
        connection.close()


def test_store_needs_a_database(monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> None:
    monkeypatch.setenv("LOUPE_STORE", "s3://bucket/models")
    with pytest.raises(SettingRefused, match="LOUPE_STORE: .*also needs LOUPE_DATABASE"):
        settings()
    for address in ("http://example.org", "https://user:password@example.org"):
        monkeypatch.setenv("LOUPE_STORE", address)
        monkeypatch.setenv("LOUPE_DATABASE", "sqlite:////none")
        with pytest.raises(SettingRefused, match="LOUPE_STORE: .*Give") as caught:
            settings()
        assert "password" not in str(caught.value)
