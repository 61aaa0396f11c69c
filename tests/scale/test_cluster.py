"""The API on Ray Serve with a head and two nodes: losses, updates, load and hostile clients."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from types import SimpleNamespace

import pytest

from api.body_limits import PHOTO_BYTES
from model.corrections import CorrectionStore
from tests.api.raw import Wire, head
from tests.api.test_body_limits import (  # noqa: F401  they run on the fixture "server" below
    test_announced_length_over_the_limit_is_rejected_immediately,
    test_bytes_after_a_body_are_not_another_request,
    test_malformed_length_is_rejected,
)
from tests.api.test_hostile import (  # noqa: F401
    test_hostile_file_names_come_back_as_plain_json,
    test_hostile_words_in_parameters_paths_and_headers_are_rejected,
    test_paths_that_lead_elsewhere_are_rejected,
)
from tests.api.test_slow_clients import test_early_error_reaches_the_client  # noqa: F401
from tests.https_log import https_log
from tests.model.tiny import tiny
from tests.operating.attacks.clients import IDENTIFY
from tests.operating.attacks.measuring import MEMORY_MB, Attack, Target, measure
from tests.operating.attacks.rows import ATTACKS
from tests.operating.parts import PHOTOS, Client, PostgreSql, ask, clients, postgresql
from tests.waiting import in_threads, wait_until

from .serve_cluster import PATIENCE_SECONDS, ServeCluster, serve_cluster

RECOVERY_SECONDS = 10
QUEUE = {"LOUPE_QUEUE": "30"}
"""Room for all clients at one replica, so that none is refused for being one too many."""
API_ATTACKS = [attack for attack in ATTACKS if attack.is_tested and not attack.pages]
TWO = {"min_replicas": 2, "max_replicas": 2}


@pytest.fixture(scope="module")
def requests() -> Iterator[list[str]]:
    """The https requests of all processes of the cluster."""
    with https_log() as log:
        yield log


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSql]:
    """The database of corrections."""
    with postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def cluster(
    requests: list[str], database: PostgreSql, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServeCluster]:
    """A head and two nodes, with three replicas."""
    assert requests == []
    folder = tmp_path_factory.mktemp("cluster")
    for name in ("tiny", "other"):
        tiny(folder / "data" / "models", name)
    settings = {"DATA": str(folder / "data"), "DATABASE": database.url, "SECRET": "the same"}
    settings |= {"CORRECTIONS_PER_MINUTE": "100000", "MEMORY_MB": str(MEMORY_MB)}
    with serve_cluster(folder, 3, QUEUE, **settings) as started:
        yield started


@pytest.fixture
def server(cluster: ServeCluster) -> SimpleNamespace:
    """What tests of the plain server need of it."""
    return SimpleNamespace(url=cluster.url)


def test_lost_node_refuses_only_what_was_under_way(cluster: ServeCluster) -> None:
    with clients(cluster.url, 16) as sent:
        cluster.wait_until_answering(3)
        time.sleep(3)
        lost = time.monotonic()
        try:
            cluster.remove_node(cluster.nodes.pop())
            time.sleep(RECOVERY_SECONDS + 3)
        finally:
            # The following tests need all nodes.
            cluster.nodes.append(cluster.add_node())
        cluster.wait_until_answering(3)
    assert len(sent.failures) <= 16
    assert all(failure.seconds < lost + RECOVERY_SECONDS for failure in sent.failures)
    before = sum(lost - 3 <= moment < lost for moment in sent.answered)
    recovered = lost + RECOVERY_SECONDS
    assert sum(recovered <= moment < recovered + 3 for moment in sent.answered) > before / 2


def test_lost_replica_refuses_only_what_was_under_way(cluster: ServeCluster) -> None:
    former = cluster.replicas()
    for replica in former:
        with clients(cluster.url, 16) as sent:
            cluster.wait_until_answering(3)
            replica.kill()
            replica.wait(PATIENCE_SECONDS)
            wait_until(lambda: len(cluster.replicas()) == 3, PATIENCE_SECONDS)
            cluster.wait_until_answering(3)
        assert len(sent.failures) <= 16
    assert not set(former) & set(cluster.replicas())


def test_restarted_database_loses_no_correction(
    cluster: ServeCluster, database: PostgreSql
) -> None:
    client, ended = Client(cluster.url), threading.Event()
    with in_threads(ended, partial(client.correct, ended)):
        wait_until(lambda: len(client.accepted) >= 20, PATIENCE_SECONDS)
        database.stop()
        wait_until(lambda: len(client.failures) >= 3, PATIENCE_SECONDS)
        database.start()
        count = len(client.accepted)
        wait_until(lambda: len(client.accepted) >= count + 20, PATIENCE_SECONDS)
    assert {failure[1:] for failure in client.failures} == {(503, "data-refused", True)}
    with closing(CorrectionStore(database.url)) as store:
        labels = [saved.label for saved in store.iter_corrections()]
    labels = [label for label in labels if label.startswith("word ")]
    assert set(client.accepted) <= set(labels)
    assert len(labels) - len(client.accepted) <= len(client.failures)


def test_endless_body_is_rejected_at_the_limit(cluster: ServeCluster) -> None:
    processes = cluster.replicas() + cluster.processes("ray::ProxyActor")
    before = {process: process.memory_full_info().uss for process in processes}
    with Wire(cluster.url, 30) as wire:
        wire.send(head(IDENTIFY, Transfer_Encoding="chunked"))
        chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
        assert all(wire.send(chunk) for _ in range(PHOTO_BYTES // len(chunk) + 1))
        assert wire.reply().status == 413
        # The server reads a little more, then closes the connection.
        assert not all(wire.send(chunk) for _ in range(150))
    for process, memory in before.items():
        assert process.memory_full_info().uss - memory < 200 * 2**20


@pytest.mark.parametrize("attack", API_ATTACKS, ids=[attack.name for attack in API_ATTACKS])
def test_cluster_withstands_attack(cluster: ServeCluster, attack: Attack) -> None:
    processes = cluster.replicas() + cluster.processes("ray::ProxyActor")
    target = Target(cluster.url, lambda: processes, pages=False)
    # Large photos wait while a program makes files for browsers.
    wait_until(lambda: not any(one.children() for one in processes), PATIENCE_SECONDS)
    # Ray takes some memory of its own.
    attack = attack._replace(peak_mb=MEMORY_MB, then_mb=MEMORY_MB)
    readings = measure(attack, target, is_short=True)
    assert not readings.failures, str(readings)


def test_idle_and_slow_clients_keep_no_photo_out(cluster: ServeCluster) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(cluster.url)) for _ in range(400)]
        for wire in wires[200:]:
            wire.send(head(IDENTIFY, Content_Length=10**6) + b"half a photo")
        with clients(cluster.url, 4) as sent:
            wait_until(lambda: len(sent.answered) > 200, PATIENCE_SECONDS)
        assert sent.failures == []


def test_clients_do_not_control_serve(cluster: ServeCluster) -> None:
    for name, value in (
        ("X-Request-Timeout-Seconds", "0.0001"),
        ("serve_multiplexed_model_id", "x" * 1000),
        ("X-Session-ID", "\xff"),
        ("X-Request-ID", "\xff<script>"),
        ("traceparent", "\xff"),
    ):
        url = f"{cluster.url}/api/v1/identify?top=1"
        status, headers, _ = ask(url, PHOTOS["red"], {name: value})
        assert status == 200, name
        assert "script" not in str(headers)


def test_replicas_follow_the_load(cluster: ServeCluster) -> None:
    delays = {"upscale_delay_s": 0, "downscale_delay_s": 2, "look_back_period_s": 2}
    cluster.deploy({"min_replicas": 1, "max_replicas": 3, **delays}, **QUEUE)
    with clients(cluster.url, 1) as steady:
        wait_until(lambda: len(cluster.replicas()) == 1, PATIENCE_SECONDS)
        with clients(cluster.url, 16):
            cluster.wait_until_answering(3)
        wait_until(lambda: len(cluster.replicas()) == 1, PATIENCE_SECONDS)
    assert steady.failures == []


def test_update_refuses_no_photo(cluster: ServeCluster) -> None:
    cluster.deploy(TWO, **QUEUE)
    with clients(cluster.url, 6) as sent:
        cluster.wait_until_answering(2)
        former = set(cluster.replicas())
        cluster.deploy(TWO, **QUEUE, LOUPE_MODEL="other")
        wait_until(lambda: not former & set(cluster.replicas()), 2 * PATIENCE_SECONDS)
        cluster.wait_until_answering(2)
        assert json.loads(ask(f"{cluster.url}/api/ready")[2])["model"] == "other"
    assert sent.failures == []


def test_no_process_sent_a_report(cluster: ServeCluster, requests: list[str]) -> None:
    assert cluster.processes("ray::ProxyActor")
    assert requests == []
