"""Two replicas behind nginx with PostgreSQL: each is killed in turn while clients use the app."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import FilePayload, Page, expect, sync_playwright

from model.corrections import CorrectionStore
from tests.browser.drive import PATIENCE_MS, checked_page, wait_for_answer
from tests.operating.parts import (
    PATIENCE_SECONDS,
    PHOTOS,
    Client,
    Replica,
    ask,
    postgresql,
    replicas_behind_nginx,
)
from tests.tools import require_tool
from tests.waiting import in_threads, wait_until


@dataclass(frozen=True)
class Deployment:
    """The proxy's URL and log, the database, and the replicas."""

    url: str
    log: Path
    database: str
    replicas: tuple[Replica, Replica]

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
        replica.wait_until_ready()
        before = self.success_counts()[replica.port]

        def is_used() -> bool:
            with urlopen(f"{self.url}/api/live", timeout=5):
                return self.success_counts()[replica.port] > before

        wait_until(is_used, PATIENCE_SECONDS, self.log.read_text)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    require_tool("nginx")
    folder = tmp_path_factory.mktemp("deployment")
    with postgresql() as server, replicas_behind_nginx(folder, server.url) as (url, log, replicas):
        yield Deployment(url, log, server.url, replicas)


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
    with closing(CorrectionStore(deployment.database)) as store:
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
    photo: FilePayload = {
        "name": "photo.png",
        "mimeType": "image/png",
        "buffer": PHOTOS[name],
    }
    page.locator(".vf-ways input[type=file]:not([capture])").set_input_files(photo)
    wait_for_answer(page, name)


def _kill_and_reconnect(page: Page, replica: Replica) -> None:
    """Kill a replica and wait until the page is connected: again, if it was theirs."""
    replica.kill()
    assert page.evaluate("fetch('/api/live').then((response) => response.status)") == 200
    page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]").wait_for()
