"""The server under attack, and what an attack does to it: memory, descriptors, other visitors.

The server is one of our own at 512 MB, or another on this machine.
"""

import math
import os
import re
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from statistics import median
from tempfile import TemporaryDirectory, mkdtemp
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
from websockets.exceptions import WebSocketException

from tests.browser.server import serving
from tests.model.tiny import tiny
from tests.operating.attacks.clients import page_session, post, status_of
from tests.waiting import in_threads, wait_until

MEMORY_MB = 512
SAMPLE_SECONDS, VISIT_PAUSE_SECONDS = 0.02, 0.3
MAX_VISIT_SECONDS, MAX_SHORT_SECONDS = 3, 10
"""Longest median time to a page with an answer; in tests, longer because others also run."""
HEAD = """\
| attack | its responses | a visitor's page and answer | memory before, most, after | descriptors \
| log | what broke |
|---|---|---|---|---|---|---|"""
NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Target:
    """A server; ``pages`` is False for the API alone, and ``log`` is its output."""

    url: str
    processes: Callable[[], list[psutil.Process]]
    pages: bool = True
    log: Path = Path(os.devnull)
    internet: socket.socket | None = None
    """The only way to the internet that the app is given: a proxy that never responds."""
    is_limited: bool = False
    """True if the app runs in a cgroup with 512 MB of memory."""

    def usage(self) -> tuple[float, int]:
        """Return its memory (RssAnon) in MB, with its children's, and its descriptors.

        Both are of its largest process, and 0 once it has ended.
        """
        memory, descriptors = [0], [0]
        for process in self.processes():
            with suppress(psutil.Error):
                descriptors.append(process.num_fds())
                own, children = process.cmdline(), process.children(recursive=True)
                memory.append(_anonymous_bytes(process))
                memory[-1] += sum(_anonymous_bytes(child, but_not=own) for child in children)
        return max(memory) / 2**20, max(descriptors)

    def connections(self) -> int:
        """Return the number of connections."""
        return sum(len(process.net_connections("tcp")) for process in self.processes())

    def requests_outside(self) -> int:
        """Return the number of its requests to the internet since the last call."""
        count = 0
        with suppress(BlockingIOError):
            while self.internet:
                self.internet.accept()[0].close()
                count += 1
        return count


def _anonymous_bytes(process: psutil.Process, but_not: Sequence[str] = ()) -> int:
    """Return a process's RssAnon; 0 once it has ended, and for a process with another's command.

    Between its start and its own program, a child shares the memory of its parent.
    """
    with suppress(psutil.Error):
        if process.cmdline() != but_not:
            used = process.memory_info()
            return int(used.rss - getattr(used, "shared", 0))
    return 0


def target_at(url: str) -> Target:
    """Return the server at a loopback address.

    Raises:
        ValueError: the address is another one.
    """
    host, port = urlsplit(url).hostname or "", urlsplit(url).port
    if not re.fullmatch(r"localhost|127\.[\d.]+|::1", host):
        raise ValueError(f"{url} isn't on this machine. Attack only a server of your own.")
    found = [entry for entry in psutil.net_connections("tcp") if entry.status == "LISTEN"]
    pids = {entry.pid for entry in found if entry.laddr and entry.laddr.port == port}
    processes = [psutil.Process(pid) for pid in pids if pid]
    return Target(url, lambda: processes, status_of(f"{url}/_stcore/health") == 200)


@contextmanager
def started(
    *, descriptors: int = 0, is_offline: bool = False, is_fresh: bool = False, **settings: str
) -> Iterator[Target]:
    """Start the app with a small model and ``LOUPE_MEMORY_MB=512``.

    It runs in a cgroup where one can be made, and may open as many ``descriptors``; offline, its
    requests to the internet vanish. A fresh one has an empty data folder, in which it makes what
    browsers load, and the built-in model; it is attacked as soon as it responds.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
        if not is_fresh:
            tiny(folder / "data" / "models")
        cgroup = stack.enter_context(_cgroup())
        limits = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"] if descriptors else []
        internet = None
        model = "imagenet" if is_fresh else "tiny"
        settings |= {"LOUPE_MODEL": model, "LOUPE_MEMORY_MB": f"{MEMORY_MB}", "LOUPE_NPM": "false"}
        if is_offline:
            internet = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1000))
            internet.setblocking(False)
            proxy = f"http://127.0.0.1:{internet.getsockname()[1]}"
            settings |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
        launcher = (*cgroup, *limits)
        app = serving(folder, launcher=launcher, is_fresh=is_fresh, **settings)  # type: ignore[arg-type]
        server = stack.enter_context(app)
        processes, log = [psutil.Process(server.process.pid)], folder / "server.log"
        yield Target(server.url, lambda: processes, True, log, internet, bool(cgroup))


@contextmanager
def _cgroup() -> Iterator[list[str]]:
    """Make a cgroup of 512 MB; yield what starts a command in it, nothing if none can be made."""
    scope = ["systemd-run", *(["--user"] if os.geteuid() else []), "--scope", "--quiet"]
    scope += [f"--property=MemoryMax={MEMORY_MB}M", "--property=MemorySwapMax=0"]
    if which(scope[0]) and subprocess.call([*scope, "true"], stderr=subprocess.DEVNULL) == 0:
        yield scope
    elif folder := _make_cgroup():
        yield ["sh", "-c", 'echo $$ > "$0"; exec "$@"', f"{folder}/cgroup.procs"]
        wait_until(lambda: not folder.rmdir())  # type: ignore[func-returns-value]
    else:
        yield []


def _make_cgroup() -> Path | None:
    """Make a cgroup in our own, with version 1 and as root, where systemd doesn't run."""
    with suppress(OSError):
        own = re.findall(r":memory:/(.*)", Path("/proc/self/cgroup").read_text())
        folder = Path(mkdtemp(prefix="attacked-", dir=Path("/sys/fs/cgroup/memory", *own)))
        (folder / "memory.limit_in_bytes").write_text(str(MEMORY_MB * 2**20))
        return folder
    return None


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
    if not attack.server.get("is_fresh"):
        # The first page takes seconds.
        visit(target)
    readings = Readings(attack, target)
    sizes = {**attack.full, **attack.short} if is_short else attack.full
    readings.take(sizes, MAX_SHORT_SECONDS if is_short else MAX_VISIT_SECONDS)
    return readings
