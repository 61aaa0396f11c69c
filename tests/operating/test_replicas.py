"""Two replicas behind nginx with PostgreSQL and a model store.

Each is killed in turn while clients use the app, and both follow what is published.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import FilePayload, Page, expect, sync_playwright

from model import Bundle
from model.corrections import CorrectionStore
from tests.browser.drive import PATIENCE_MS, checked_page, wait_for_answer
from tests.model.tiny import tiny
from tests.operating.parts import (
    PATIENCE_SECONDS,
    PHOTOS,
    Client,
    PostgreSql,
    Replica,
    ask,
    clients,
    nginx,
    postgresql,
)
from tests.tools import require_tool
from tests.waiting import in_threads, wait_until

REACH_SECONDS = 5
"""Longest time in which a published version reaches all replicas."""


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

    def success_counts(self) -> dict[int, int]:
        """Return how many requests each replica answered with success, by its port."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return {
            replica.port: sum(
                # A request that was passed on names both; the last one answered.
                words[-2] in ("200", "201") and words[-3].endswith(f":{replica.port}")
                for words in lines
            )
            for replica in self.replicas
        }

    def restart(self, replica: Replica) -> None:
        """Start a replica again and wait until the proxy sends requests to it."""
        replica.start()
        before = self.success_counts()[replica.port]

        def is_used() -> bool:
            with urlopen(f"{self.url}/api/live", timeout=5):
                return self.success_counts()[replica.port] > before

        wait_until(is_used, PATIENCE_SECONDS, self.log.read_text)

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
    folder = tmp_path_factory.mktemp("deployment")
    store = folder / "store"
    with postgresql() as server, ExitStack() as stack:
        owner, *replicas = (
            Replica(folder / name, server.url, str(store)) for name in ("owner", "first", "second")
        )
        versions = tiny(owner.models, title="First"), tiny(owner.models, title="Second")
        owner.run_command("publish", "tiny", versions[0].version)
        for replica in replicas:
            stack.callback(replica.kill)
        with ThreadPoolExecutor() as pool:
            list(pool.map(Replica.start, replicas))
        url, log = stack.enter_context(nginx(folder, [replica.port for replica in replicas]))
        first, second = replicas
        yield Deployment(server, store, owner, versions, (first, second), url, log)


def test_only_pages_set_a_cookie_and_metrics_stay_private(deployment: Deployment) -> None:
    """A response that caches may keep for a year carries no visitor's cookie."""
    for path, cookie in (("/", True), ("/api/v1/models", False), ("/api/live", False)):
        with urlopen(f"{deployment.url}{path}", timeout=10) as response:
            assert ("loupe_replica=" in response.headers.get("set-cookie", "")) is cookie, path
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{deployment.url}/metrics", timeout=10)


def test_photos_of_a_page_go_to_the_replica_of_its_session(deployment: Deployment) -> None:
    """The token of a session is known to one replica only."""
    assert len({replica_of_a_visit(deployment) for _ in range(12)}) == 2


def replica_of_a_visit(deployment: Deployment) -> str:
    """Send what a new visitor's page sends; return the address that answered all of it."""
    with urlopen(f"{deployment.url}/", timeout=10) as response:
        cookie = response.headers["set-cookie"].partition(";")[0]
    headers = {"Cookie": cookie, "Loupe-Session": "of no session"}
    marked = f"visit={cookie[-8:]}"
    statuses = {"/": 200, "/_stcore/health": 200}
    statuses |= {"/api/v1/identify": 422, "/api/v1/corrections": 422}
    for path, status in statuses.items():
        body = PHOTOS["red"] if status == 422 else None
        ask(f"{deployment.url}{path}?{marked}", body, headers)

    def logged() -> list[list[str]]:
        # The log is written after the response.
        lines = deployment.log.read_text().splitlines()
        return [line.split() for line in lines if line.endswith(marked)]

    wait_until(lambda: len(logged()) == len(statuses))
    assert [int(words[-2]) for words in logged()] == list(statuses.values())
    (replica,) = {words[-3] for words in logged()}
    return replica


@pytest.mark.slow
def test_no_accepted_correction_is_lost_when_a_replica_dies(deployment: Deployment) -> None:
    client = Client(deployment.url)

    def wait_for_more(count: int = 15) -> None:
        accepted, answered = len(client.accepted) + count, len(client.answered) + count
        wait_until(
            lambda: len(client.accepted) >= accepted and len(client.answered) >= answered,
            PATIENCE_SECONDS,
        )

    ended = threading.Event()
    with in_threads(ended, partial(client.correct, ended), partial(client.identify, ended)):
        wait_for_more()
        assert all(deployment.success_counts().values())
        for replica in deployment.replicas:
            replica.kill()
            wait_for_more()
            deployment.restart(replica)
            wait_for_more()
    with closing(CorrectionStore(deployment.server.url)) as store:
        labels = [correction.label for correction in store.iter_corrections()]
    assert set(client.accepted) <= set(labels)
    # Only what was sent while a replica died may be there twice or without a response.
    assert len(labels) - len(client.accepted) <= len(client.failures)
    assert len(client.failures) < len(client.accepted)


@pytest.fixture
def page(deployment: Deployment) -> Iterator[Page]:
    """Open a page of the deployment in a browser of its own."""
    path = require_tool("chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        with checked_page(browser, {"base_url": deployment.url}) as page:
            yield page
        browser.close()


@pytest.mark.slow
@pytest.mark.browser
def test_viewfinder_sends_its_photos_to_the_other_replica(
    deployment: Deployment, page: Page
) -> None:
    page.goto("/?run=server")
    _give(page, "red")
    # The other replica knows neither the session nor its token; the page gets new ones.
    for replica, name in zip(deployment.replicas, ("blue", "green"), strict=True):
        _kill_and_reconnect(page, replica)
        _give(page, name)
        deployment.restart(replica)
    sent = [line for line in deployment.log.read_text().splitlines() if "model=tiny" in line]
    assert sum("/api/v1/identify" in line and " 200 " in line for line in sent) == 3


def _give(page: Page, name: str) -> None:
    """Choose a photo of one colour in the viewfinder, and wait for its answer."""
    photo: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": PHOTOS[name]}
    page.locator(".vf-ways input[type=file]:not([capture])").set_input_files(photo)
    wait_for_answer(page, name)


def _kill_and_reconnect(page: Page, replica: Replica) -> None:
    """Kill a replica and wait until the page is connected: again, if it was theirs."""
    replica.kill()
    assert page.evaluate("fetch('/api/live').then((response) => response.status)") == 200
    page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]").wait_for()


@pytest.mark.slow
def test_publication_and_rollback_reach_all_replicas_under_load(deployment: Deployment) -> None:
    first, second = deployment.versions
    before = len(deployment.log.read_text())
    with clients(deployment.url, 4) as sent:
        seconds = [
            deployment.make_current(second),
            deployment.make_current(first, "rollback"),
            deployment.make_current(second, "rollback"),
            deployment.make_current(first),
        ]
        wait_until(lambda: len(sent.answered) > 80, PATIENCE_SECONDS)
    assert sent.failures == []
    assert max(seconds) < REACH_SECONDS, seconds
    # No replica refused a photo, which nginx would have sent to the other one.
    assert ", " not in deployment.log.read_text()[before:]


@pytest.mark.slow
def test_replicas_catch_up_after_a_database_restart(deployment: Deployment) -> None:
    first, second = deployment.versions
    deployment.make_current(first)
    with clients(deployment.url, 4) as sent:
        deployment.server.stop()
        deployment.wait_for_report({"code": "database-unavailable"})
        before = len(sent.answered)
        wait_until(lambda: len(sent.answered) > before + 20)
        deployment.server.start()
        assert deployment.make_current(second) < REACH_SECONDS
    assert sent.failures == []
    deployment.wait_for_report()


@pytest.mark.slow
def test_replica_takes_versions_from_another_loupe(tmp_path: Path) -> None:
    with postgresql() as server, ExitStack() as stack:
        origin = Replica(tmp_path / "origin", server.url)
        address = f"http://127.0.0.1:{origin.port}"
        replica = Replica(tmp_path / "replica", server.url, address)
        for started in (origin, replica):
            stack.callback(started.kill)
        origin.start()
        first, second = tiny(origin.models, title="First"), tiny(origin.models, title="Second")
        origin.run_command("publish", "tiny", first.version, LOUPE_STORE=address)
        replica.start()
        assert replica.ready()["version"] == first.version
        origin.run_command("publish", "tiny", LOUPE_STORE=address)
        wait_until(lambda: replica.ready()["version"] == second.version, REACH_SECONDS)
