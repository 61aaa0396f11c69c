"""The server under attack: one of our own at 512 MB, or another on this machine."""

import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory, mkdtemp
from urllib.parse import urlsplit

import psutil

from tests.browser.server import serving
from tests.model.tiny import tiny
from tests.operating.attacks.clients import status_of
from tests.waiting import wait_until

MEMORY_MB = 512


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
    """True in a cgroup of 512 MB."""

    def usage(self) -> tuple[float, int]:
        """Return its memory (RssAnon) in MB and its descriptors, each of its largest process.

        Both are 0 once it has ended.
        """
        memory, descriptors = [0], [0]
        for process in self.processes():
            with suppress(psutil.Error):
                used = process.memory_info()
                memory.append(used.rss - getattr(used, "shared", 0))
                descriptors.append(process.num_fds())
        return max(memory) / 2**20, max(descriptors)

    def connections(self) -> int:
        """Return the number of connections."""
        return sum(len(process.net_connections("tcp")) for process in self.processes())

    def requests_outside(self) -> int:
        """Return how often it has asked the internet since the last call."""
        count = 0
        with suppress(BlockingIOError):
            while self.internet:
                self.internet.accept()[0].close()
                count += 1
        return count


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
def started(*, descriptors: int = 0, is_offline: bool = False, **settings: str) -> Iterator[Target]:
    """Start the app with a small model and ``LOUPE_MEMORY_MB=512``.

    It runs in a cgroup where one can be made, and may open as many ``descriptors``; offline, its
    requests to the internet vanish.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
        tiny(folder / "data" / "models")
        cgroup = stack.enter_context(_cgroup())
        limits = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"] if descriptors else []
        internet = None
        settings |= {"LOUPE_MODEL": "tiny", "LOUPE_MEMORY_MB": f"{MEMORY_MB}", "LOUPE_NPM": "false"}
        if is_offline:
            internet = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1000))
            internet.setblocking(False)
            proxy = f"http://127.0.0.1:{internet.getsockname()[1]}"
            settings |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
        app = serving(folder, launcher=(*cgroup, *limits), **settings)  # type: ignore[arg-type]
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
