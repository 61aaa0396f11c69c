"""Two replicas behind nginx, PostgreSQL below: each is killed in turn while people use the app."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from model.corrections import CorrectionStore
from tests.browser.drive import PATIENCE, answered, attach, guarded, pick
from tests.model.tiny import colour
from tests.operating.parts import Replica, nginx, postgresql, until
from tests.photos import encoded
from tests.tools import require_tool

RED = encoded(colour("red"), "PNG")


@dataclass(frozen=True)
class Operated:
    """The proxy's address, what it logged, the database, and the replicas."""

    url: str
    log: Path
    database: str
    replicas: tuple[Replica, Replica]

    def answered(self) -> dict[int, int]:
        """How many requests each replica answered with success, by its port."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return {
            one.port: sum(
                # A request that was passed on names both; the last one answered.
                words[-2] in ("200", "201") and words[-3].endswith(f":{one.port}")
                for words in lines
            )
            for one in self.replicas
        }

    def back(self, one: Replica) -> None:
        """Start a replica again and wait until the proxy asks it by itself."""
        one.start()
        one.ready()
        before = self.answered()[one.port]

        def asked() -> bool:
            with urlopen(f"{self.url}/api/live", timeout=5):
                return self.answered()[one.port] > before

        until(asked, self.log.read_text)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """Everything up."""
    require_tool("nginx")
    folder = tmp_path_factory.mktemp("operated")
    with ExitStack() as stack:
        database = stack.enter_context(postgresql())
        replicas = Replica(folder / "one", database), Replica(folder / "two", database)
        for one in replicas:
            stack.callback(one.kill)
            one.start()
        for one in replicas:
            one.ready()
        url, log = stack.enter_context(nginx(folder, (replicas[0].port, replicas[1].port)))
        yield Operated(url, log, database, replicas)


def test_only_the_screen_gives_a_cookie_and_metrics_stay_inside(operated: Operated) -> None:
    """What anybody may keep for a year carries no visitor's cookie."""
    for path, cookie in (("/", True), ("/api/v1/models", False), ("/api/live", False)):
        with urlopen(f"{operated.url}{path}", timeout=10) as answer:
            assert ("loupe_replica=" in answer.headers.get("set-cookie", "")) is cookie, path
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{operated.url}/metrics", timeout=10)


@dataclass
class Client:
    """Asks again and again, whatever comes; remembers what it was told."""

    url: str
    accepted: list[str] = field(default_factory=list)
    identified: int = 0
    refused: int = 0

    def correct(self, ended: threading.Event) -> None:
        """Send corrections, each until it is accepted."""
        number = 0
        while not ended.is_set():
            label = f"word {number}"
            told = self._ask("corrections", label=label)
            if told is not None:
                self.accepted.append(label)
                number += 1

    def identify(self, ended: threading.Event) -> None:
        """Send photos."""
        while not ended.is_set():
            told = self._ask("identify", top=1)
            if told is not None:
                assert told["answer"] == "red"
                self.identified += 1

    def _ask(self, route: str, **asked: object) -> dict[str, Any] | None:
        address = f"{self.url}/api/v1/{route}?{urlencode(asked)}"
        try:
            with urlopen(
                Request(address, RED, {"Content-Type": "image/png"}), timeout=10
            ) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except (URLError, OSError):
            self.refused += 1
            return None


@contextmanager
def asking(client: Client) -> Iterator[None]:
    ended = threading.Event()
    threads = [
        threading.Thread(target=work, args=(ended,)) for work in (client.correct, client.identify)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
def test_no_accepted_correction_is_lost_whichever_is_killed(operated: Operated) -> None:
    client = Client(operated.url)

    def more(count: int = 15) -> None:
        accepted, identified = len(client.accepted), client.identified
        until(
            lambda: (
                len(client.accepted) >= accepted + count and client.identified >= identified + count
            )
        )

    with asking(client):
        more()
        assert all(operated.answered().values())
        for one in operated.replicas:
            one.kill()
            more()
            operated.back(one)
            more()
    with closing(CorrectionStore(operated.database)) as kept:
        labels = [one.label for one in kept.iter_corrections()]
    assert set(client.accepted) <= set(labels)
    # What was sent when a replica died may be there twice, or without an answer: no more than that.
    assert len(labels) - len(client.accepted) <= client.refused
    assert client.refused < len(client.accepted)


@pytest.mark.slow
@pytest.mark.browser
def test_a_visitor_goes_on_after_their_replica_died(operated: Operated) -> None:
    path = require_tool("chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        with guarded(browser, {"base_url": operated.url}) as page:
            one, other = operated.replicas
            page.goto("/")
            attach(page, RED, "red.png")
            answered(page, "red")
            # One of the two is theirs. No reload: the page finds the other by itself, which
            # knows nothing of the visit, and takes the photo that is sent to it.
            for replica, name in ((one, "blue"), (other, "green")):
                _lose(page, replica)
                attach(page, encoded(colour(name), "PNG"), f"{name}.png")
                answered(page, name)
                operated.back(replica)
            page.goto("/?way=Sample")
            pick(page, "Coffee")
            answered(page)
            for replica, title in ((one, "Rocket"), (other, "Cat")):
                before = page.url
                _lose(page, replica)
                pick(page, title)
                page.wait_for_function("before => location.href !== before", arg=before)
                answered(page)
                operated.back(replica)
        browser.close()


def _lose(page: Page, replica: Replica) -> None:
    """Kill a replica and wait until the page is connected: again, if it was theirs."""
    replica.kill()
    assert page.evaluate("fetch('/api/live').then((answer) => answer.status)") == 200
    page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]").wait_for()
