"""What an attack does to the app: memory, descriptors, and another visitor's page and answer."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from statistics import median
from types import MappingProxyType
from typing import Any, NamedTuple

from websockets.exceptions import WebSocketException

from tests.operating.attacks.clients import page_session, post, status_of
from tests.operating.attacks.target import MEMORY_MB, Target
from tests.waiting import in_threads, wait_until

SAMPLE_SECONDS, VISIT_PAUSE_SECONDS = 0.02, 0.3
MAX_VISIT_SECONDS, MAX_SHORT_SECONDS = 3, 10
"""Longest median time to a page with an answer; in tests, longer because others also run."""
HEAD = """\
| attack | its responses | a visitor's page and answer | memory before, most, after | descriptors \
| log | what broke |
|---|---|---|---|---|---|---|"""
NONE: Mapping[str, Any] = MappingProxyType({})


class Attack(NamedTuple):
    """A row of the table.

    ``run`` attacks a target, counts statuses, and asserts what must hold for the attacker. Its
    docstring says what it does, with the parameters ``full``; in tests, some are ``short``.
    The app may take ``peak_mb``, ``then_seconds`` later ``then_mb``, and log ``log_kb``.
    ``server`` has options of ``started``. Without ``pages``, the API is enough. Tests leave out
    what isn't ``is_tested``: another row does more of the same.
    """

    name: str
    run: Callable[..., None]
    full: Mapping[str, Any] = NONE
    short: Mapping[str, Any] = NONE
    peak_mb: int = MEMORY_MB
    then_mb: int = MEMORY_MB
    then_seconds: int = 10
    log_kb: float = math.inf
    server: Mapping[str, Any] = NONE
    pages: bool = False
    is_slow: bool = True
    is_tested: bool = True


class Readings:
    """Readings during an attack and after it."""

    def __init__(self, attack: Attack, target: Target) -> None:
        self.attack, self.target, self._began = attack, target, time.monotonic()
        self.before_mb, self.peak_descriptors = target.usage()
        self.peak_mb = self.then_mb = self.before_mb
        self._log_bytes = target.log.stat().st_size
        self.killed_seconds: float | None = None
        self.statuses, self.visit_statuses = Counter[int](), Counter[int]()
        """Of the attacker's requests, and of another visitor's."""
        self.visits = list[float]()
        """Seconds until that visitor had a page and an answer."""
        self.failures = list[str]()

    def take(self, sizes: Mapping[str, Any], max_seconds: float) -> None:
        """Run the attack, wait for its memory to be freed, and return what broke."""
        attack, target, stop = self.attack, self.target, threading.Event()
        with in_threads(stop, lambda: self._sample(stop), lambda: self._visit(stop)):
            try:
                attack.run(target, self.statuses, **sizes)
            except (AssertionError, OSError, WebSocketException) as error:
                self.failures.append(str(error) or type(error).__name__)
        with suppress(AssertionError):
            wait_until(lambda: target.usage()[0] <= attack.then_mb, attack.then_seconds)
        self.then_mb, _ = target.usage()
        self.log_kb = (target.log.stat().st_size - self._log_bytes) / 1000
        checks = {
            "killed": self.killed_seconds is not None,
            "a visitor was refused": set(self.visit_statuses) != {200},
            "a visitor waited": median(self.visits) > max_seconds,
            f"over {attack.peak_mb} MB": self.peak_mb > attack.peak_mb,
            f"over {attack.then_mb} MB afterwards": self.then_mb > attack.then_mb,
            f"over {attack.log_kb} kB of log": self.log_kb > attack.log_kb,
        }
        self.failures += [text for text, has_failed in checks.items() if has_failed]

    def __str__(self) -> str:
        text = (self.attack.run.__doc__ or "").format(**self.attack.full)
        visits = f"{median(self.visits):.2f} s, at most {max(self.visits):.1f} s"
        if set(self.visit_statuses) != {200}:
            visits += f"; {spell(self.visit_statuses)}"
        memory = f"{self.before_mb:.0f}, {self.peak_mb:,.0f}, {self.then_mb:.0f} MB"
        memory += " in a cgroup" if self.target.is_limited else ""
        if self.killed_seconds is not None:
            memory += f", killed after {self.killed_seconds:.0f} s"
        return (
            f"| `{self.attack.name}`: {text} | {spell(self.statuses)} | {visits} | {memory} "
            f"| {self.peak_descriptors} | {self.log_kb:,.0f} kB | {'; '.join(self.failures)} |"
        )

    def _sample(self, stop: threading.Event) -> None:
        while not stop.wait(SAMPLE_SECONDS):
            memory_mb, descriptors = self.target.usage()
            self.peak_mb = max(self.peak_mb, memory_mb)
            self.peak_descriptors = max(self.peak_descriptors, descriptors)
            if not memory_mb and self.killed_seconds is None:
                self.killed_seconds = time.monotonic() - self._began

    def _visit(self, stop: threading.Event) -> None:
        while not self.visits or not stop.wait(VISIT_PAUSE_SECONDS):
            started = time.monotonic()
            self.visit_statuses.update(visit(self.target))
            self.visits.append(time.monotonic() - started)


def spell(statuses: Counter[int]) -> str:
    """Return how often each status came."""
    return ", ".join(f"{count} × {status or 'closed'}" for status, count in statuses.items())


def visit(target: Target) -> list[int]:
    """Open the page and have a photo identified, by each way there is; return the statuses."""
    url, answer = target.url, post(target.url, "/api/v1/identify")
    if not target.pages:
        return [answer]
    return [answer, status_of(url), status_of(f"{url}/device/"), _answer_on_page(url)]


def _answer_on_page(url: str) -> int:
    """Have a photo identified in a session of the page; try again if the session is refused."""
    for _ in range(4):
        with suppress(OSError, WebSocketException), page_session(url) as (_, token):
            return post(url, "/api/v1/identify", token=token)
        time.sleep(0.5)
    return 0


def measure(attack: Attack, target: Target, *, is_short: bool = False) -> Readings:
    """Attack a server; return the readings."""
    # The first page takes seconds.
    visit(target)
    readings = Readings(attack, target)
    sizes = {**attack.full, **attack.short} if is_short else attack.full
    readings.take(sizes, MAX_SHORT_SECONDS if is_short else MAX_VISIT_SECONDS)
    return readings
