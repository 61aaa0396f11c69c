"""PostgreSQL, replicas of the app and nginx: started by tests, each on ports of its own."""

import contextlib
import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

from deploy.ports import free_port
from model.settings import ROOT
from tests.model.tiny import tiny
from tests.tools import require_tool

__all__ = ["Replica", "nginx", "postgresql", "until"]

PATIENCE = 30
PASSWORD = "known-to-the-cluster"


def until(what: Callable[[], object], said: Callable[[], str] = str) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if what():
                return
        time.sleep(0.05)
    raise AssertionError(f"It did not happen in {PATIENCE} s. {said()}")


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """An empty cluster of its own; its URL."""
    initdb, server = require_tool("initdb"), require_tool("postgres")
    # It refuses to run as root, and then needs a folder that the other user may enter.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    who = {"user": user.pw_uid, "group": user.pw_gid} if user else {}
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="loupe-postgresql-") as made:
        folder = Path(made)
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        command = [initdb, "-D", str(folder / "db"), "-U", "loupe", "-E", "UTF8"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}"]
        subprocess.run(
            [*command, "--no-sync"], check=True, capture_output=True, cwd=folder, timeout=60, **who
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "40",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [server, "-D", str(folder / "db"), "-p", str(port), *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                **who,
            )
        url = f"postgresql://loupe:{PASSWORD}@127.0.0.1:{port}/postgres"
        try:
            until(lambda: _answers(url), (folder / "log").read_text)
            yield url
        finally:
            # "Fast": whoever is connected is sent away.
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def _answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


class Replica:
    """A process of the app with a data folder of its own, always on the same port."""

    def __init__(self, folder: Path, database: str) -> None:
        self.port, self._folder = free_port(), folder
        self._environment = {
            "LOUPE_DATA": str(folder / "data"),
            "LOUPE_DATABASE": database,
            "LOUPE_MODEL": "tiny",
            "LOUPE_CORRECTIONS_PER_MINUTE": "100000",
            "LOUPE_SECRET": "the same for both",
            "STREAMLIT_SERVER_COOKIE_SECRET": "the same for both",
        }
        tiny(folder / "data" / "models")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; ``ready`` waits until it answers."""
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
        command += [f"--server.port={self.port}", "--server.headless=true"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ready(self) -> None:
        """Wait until its model answers."""
        url = f"http://127.0.0.1:{self.port}/api/ready"

        def answers() -> bool:
            with urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)

        until(answers, self.log)

    def kill(self) -> None:
        """End it at once, as a machine that fails does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def log(self) -> str:
        """The end of what it wrote."""
        return (self._folder / "log").read_text(errors="replace")[-4000:]


@contextlib.contextmanager
def nginx(folder: Path, ports: tuple[int, int]) -> Iterator[tuple[str, Path]]:
    """The proxy as ``docs/replicas.nginx.conf`` has it; its address, and its log of replicas."""
    program, port, log = require_tool("nginx"), free_port(), folder / "access.log"
    text = (ROOT / "docs" / "replicas.nginx.conf").read_text(encoding="utf-8")
    # Each replica stands in two lists.
    for written, own, times in (("8080", port, 1), ("8501", ports[0], 2), ("8502", ports[1], 2)):
        text, count = re.subn(rf"(?<=[ :]){written}\b", str(own), text)
        assert count == times, f"{written} stands {count} times in replicas.nginx.conf"
    # Who waits for a replica to be asked again need not wait as long here.
    text = text.replace("fail_timeout=5s", "fail_timeout=1s")
    (folder / "replicas.conf").write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;\n"
        "events { worker_connections 256; }\n"
        f"http {{ {temporary} log_format replica '$upstream_addr $status $request_uri';\n"
        f"access_log {log} replica; include {folder}/replicas.conf; }}\n"
    )
    process = subprocess.Popen(
        [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", f"{folder}/nginx.conf"]
    )
    url = f"http://localhost:{port}"
    try:
        until(lambda: urlopen(f"{url}/api/live", timeout=5).status == 200)
        yield url, log
    finally:
        process.terminate()
        process.wait(timeout=30)
