"""The model store: replicas that start from empty folders follow PostgreSQL and a store."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from model import Bundle
from model.api_client import open_url
from model.model_store.publications import Publications
from model.storage.disk import hash_file
from tests.model.tiny import tiny
from tests.operating.parts import (
    PATIENCE_SECONDS,
    PostgreSql,
    Replica,
    postgresql_server,
    replicas_behind_nginx,
)
from tests.operating.test_replicas import RED, Client
from tests.tools import require_tool
from tests.waiting import in_threads, wait_until

REACH_SECONDS = 5
"""Time within which a publication is to reach all replicas, in seconds."""


@dataclass(frozen=True)
class Deployment:
    """The database, the owner's machine with two versions, and replicas behind a proxy."""

    server: PostgreSql
    store: Path
    owner: Replica
    versions: tuple[Bundle, Bundle]
    replicas: tuple[Replica, Replica]
    url: str
    log: Path

    def current_versions(self) -> set[str]:
        """Return what the replicas answer with."""
        return {replica.ready()["version"] for replica in self.replicas}

    def wait_for_report(self, *problems: dict[str, str]) -> None:
        """Wait until both replicas say, while they are ready, what they couldn't take."""

        def is_reported() -> bool:
            replies = [replica.ready() for replica in self.replicas]
            assert {reply["status"] for reply in replies} == {"ready"}
            return all(reply.get("store", []) == list(problems) for reply in replies)

        wait_until(is_reported, PATIENCE_SECONDS)

    def make_current(self, bundle: Bundle, command: str = "publish") -> float:
        """Publish or roll back; return the seconds until both replicas answer with it."""
        self.owner.run_command(command, "tiny", bundle.version)
        started = time.monotonic()
        wait_until(lambda: self.current_versions() == {bundle.version}, PATIENCE_SECONDS)
        return time.monotonic() - started


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    require_tool("nginx")
    folder = tmp_path_factory.mktemp("store")
    store = folder / "store"
    with postgresql_server() as server:
        owner = Replica(folder / "owner", server.url, str(store))
        versions = tiny(owner.models, title="First"), tiny(owner.models, title="Second")
        owner.run_command("publish", "tiny", versions[0].version)
        with replicas_behind_nginx(folder, server.url, str(store)) as (url, log, replicas):
            yield Deployment(server, store, owner, versions, replicas, url, log)


@contextmanager
def clients(deployment: Deployment, count: int = 4) -> Iterator[list[Client]]:
    """Send photos until the block ends; none may be refused or get another answer than "red"."""
    running, ended = [Client(deployment.url) for _ in range(count)], threading.Event()
    with in_threads(ended, *(partial(client.identify, ended) for client in running)):
        yield running
    for client in running:
        assert (client.failures, client.identified > 0) == (0, True)


@pytest.mark.slow
def test_publish_and_roll_back_reach_all_under_clients(deployment: Deployment) -> None:
    first, second = deployment.versions
    with clients(deployment) as running:
        seconds = [
            deployment.make_current(second),
            deployment.make_current(first, "rollback"),
            deployment.make_current(second, "rollback"),
            deployment.make_current(first),
        ]
        wait_until(lambda: all(client.identified > 20 for client in running), PATIENCE_SECONDS)
    assert max(seconds) < REACH_SECONDS, seconds
    # No replica refused a photo, which nginx would have sent to the other one.
    assert ", " not in deployment.log.read_text()


@pytest.mark.slow
def test_restarted_database_is_caught_up_with(deployment: Deployment) -> None:
    first, second = deployment.versions
    deployment.make_current(first)
    with clients(deployment) as running:
        deployment.server.stop()
        deployment.wait_for_report({"code": "database-unavailable"})
        before = sum(client.identified for client in running)
        wait_until(lambda: sum(client.identified for client in running) > before + 20)
        deployment.server.start()
        assert deployment.make_current(second) < REACH_SECONDS
    deployment.wait_for_report()


@pytest.mark.slow
def test_replica_starts_without_a_database(deployment: Deployment, tmp_path: Path) -> None:
    """With a previous version it is ready and says so; without one it isn't, until it has one."""
    first, _ = deployment.versions
    deployment.make_current(first)
    url, store = deployment.server.url, str(deployment.store)
    with ExitStack() as stack:
        new = Replica(tmp_path / "new", url, store)
        former = deployment.replicas[1]
        stack.callback(new.kill)
        former.kill()
        deployment.server.stop()
        try:
            for replica in (new, former):
                replica.start()
            former.wait_until_ready()
            assert former.ready()["store"] == [{"code": "database-unavailable"}]
            wait_until(new.ready, PATIENCE_SECONDS, new.log)
            assert new.ready() == {
                "status": "not ready",
                "code": "store-pending",
                "store": [{"code": "database-unavailable"}],
            }
            url = f"http://127.0.0.1:{new.port}/api/v1/identify?model=imagenet"
            with open_url(url, RED, timeout=5) as reply:
                assert (reply.status, json.load(reply)["code"]) == (503, "store-pending")
        finally:
            deployment.server.start()
        new.wait_until_ready()
        assert new.ready()["version"] == first.version
        assert "store" not in new.ready()


@pytest.mark.slow
def test_version_changed_in_the_store_is_not_loaded(deployment: Deployment) -> None:
    first, _ = deployment.versions
    deployment.make_current(first)
    third = tiny(deployment.owner.models, title="Changed in the store")
    shutil.copytree(third.folder, deployment.store / "tiny" / third.version)
    changed = deployment.store / "tiny" / third.version / "graph.onnx"
    changed.write_bytes(changed.read_bytes()[:-1] + b" ")
    with clients(deployment), closing(Publications(deployment.server.url)) as table:
        table.add("tiny", hash_file(third.folder / "bundle.json"))
        problem = {"code": "bundle-damaged", "model": "tiny", "version": third.version}
        deployment.wait_for_report(problem)
        assert deployment.current_versions() == {first.version}
    deployment.make_current(first, "rollback")
    deployment.wait_for_report()


@pytest.mark.slow
def test_replica_takes_versions_from_another_loupe(tmp_path: Path) -> None:
    with postgresql_server() as server, ExitStack() as stack:
        origin = Replica(tmp_path / "origin", server.url)
        address = f"http://127.0.0.1:{origin.port}"
        replica = Replica(tmp_path / "replica", server.url, address)
        for started in (origin, replica):
            stack.callback(started.kill)
        origin.start()
        origin.wait_until_ready()
        first, second = tiny(origin.models, title="First"), tiny(origin.models, title="Second")
        origin.run_command("publish", "tiny", first.version, LOUPE_STORE=address)
        replica.start()
        replica.wait_until_ready()
        assert replica.ready()["version"] == first.version
        origin.run_command("publish", "tiny", LOUPE_STORE=address)
        wait_until(lambda: replica.ready()["version"] == second.version, REACH_SECONDS)
