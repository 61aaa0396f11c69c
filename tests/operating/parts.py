"""PostgreSQL, replicas of the app and nginx, which tests start on free ports."""

import contextlib
import json
import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from deploy.ports import free_port
from model.settings import ROOT
from tests.browser.server import add_compressed_files
from tests.model.tiny import tiny
from tests.python import run_python
from tests.tools import require_tool
from tests.waiting import wait_until

PATIENCE_SECONDS = 30
"""Longest wait for a process, in seconds."""

PASSWORD = "known-to-the-cluster"


class PostgreSql:
    """A PostgreSQL server with an empty cluster below a folder, always on the same port."""

    def __init__(self, folder: Path, **run_as: Any) -> None:
        self._folder, self._run_as, port = folder, run_as, free_port()
        self.url = f"postgresql://loupe:{PASSWORD}@127.0.0.1:{port}/postgres"
        options = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "40",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._command = [require_tool("postgres"), "-D", str(folder / "db"), *arguments]

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        log = self._folder / "log"
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                self._command,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                **self._run_as,
            )
        wait_until(lambda: _accepts_connections(self.url), PATIENCE_SECONDS, log.read_text)

    def stop(self) -> None:
        """Stop it by its fast shutdown, which disconnects clients."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=30)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Start PostgreSQL with an empty cluster; yield its URL."""
    with postgresql_server() as server:
        yield server.url


@contextlib.contextmanager
def postgresql_server() -> Iterator[PostgreSql]:
    """Start PostgreSQL with an empty cluster; yield the server."""
    initdb = require_tool("initdb")
    # PostgreSQL refuses to run as root; another user needs a folder that it may enter.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    run_as: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid} if user else {}
    with tempfile.TemporaryDirectory(prefix="loupe-postgresql-") as temporary:
        folder = Path(temporary)
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        command = [initdb, "-D", str(folder / "db"), "-U", "loupe", "-E", "UTF8"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}"]
        subprocess.run(
            [*command, "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            timeout=60,
            **run_as,
        )
        server = PostgreSql(folder, **run_as)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _accepts_connections(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


class Replica:
    """A process of the app with a data folder of its own, always on the same port.

    Its folder has the model of colours, or with a model store nothing.
    """

    def __init__(self, folder: Path, database: str, store: str = "") -> None:
        self.port, self._folder = free_port(), folder
        self.models = folder / "data" / "models"
        self._environment = {
            "LOUPE_DATA": str(folder / "data"),
            "LOUPE_DATABASE": database,
            "LOUPE_STORE": store,
            "LOUPE_MODEL": "tiny",
            "LOUPE_CORRECTIONS_PER_MINUTE": "100000",
            "LOUPE_SECRET": "the same for both",
            "STREAMLIT_SERVER_COOKIE_SECRET": "the same for both",
        }
        add_compressed_files(folder / "data")
        if not store:
            tiny(self.models)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; ``wait_until_ready`` waits for its model."""
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

    def wait_until_ready(self) -> None:
        """Wait until its model is loaded."""
        wait_until(lambda: self.ready()["status"] == "ready", PATIENCE_SECONDS, self.log)

    def ready(self) -> dict[str, Any]:
        """Return what ``/api/ready`` says.

        Raises:
            OSError: the process doesn't respond.
        """
        try:
            response = urlopen(f"http://127.0.0.1:{self.port}/api/ready", timeout=5)
        except HTTPError as error:
            response = error
        with response:
            document: dict[str, Any] = json.load(response)
            return document

    def run_command(self, *words: str, **settings: str) -> str:
        """Run ``python -m model`` with this replica's settings; return what it prints."""
        environment = {**os.environ, **self._environment, **settings}
        result = run_python("-m", "model", *words, env=environment, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def kill(self) -> None:
        """Kill the process, as a failing machine does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def log(self) -> str:
        """Return the end of its output."""
        return (self._folder / "log").read_text(errors="replace")[-4000:]


@contextlib.contextmanager
def replicas_behind_nginx(
    folder: Path, database: str, store: str = ""
) -> Iterator[tuple[str, Path, tuple[Replica, Replica]]]:
    """Start two replicas and a proxy; yield its URL, its log and the replicas."""
    first, second = (Replica(folder / name, database, store) for name in ("first", "second"))
    with contextlib.ExitStack() as stack:
        for replica in (first, second):
            stack.callback(replica.kill)
            replica.start()
        for replica in (first, second):
            replica.wait_until_ready()
        url, log = stack.enter_context(nginx(folder, (first.port, second.port)))
        yield url, log, (first, second)


@contextlib.contextmanager
def nginx(folder: Path, ports: Sequence[int]) -> Iterator[tuple[str, Path]]:
    """Start nginx with ``docs/replicas.nginx.conf``; yield its URL and its log of replicas."""
    program, port, log = require_tool("nginx"), free_port(), folder / "access.log"
    text = (ROOT / "docs" / "replicas.nginx.conf").read_text(encoding="utf-8")
    text, count = re.subn(r"\b8080\b", str(port), text)
    assert count == 1, f"8080 is in replicas.nginx.conf {count} times"
    # Both upstreams list both replicas.
    text, count = re.subn(
        r"( *server 127\.0\.0\.1:)8501( .*\n).*:8502 .*\n",
        lambda found: "".join(f"{found[1]}{replica}{found[2]}" for replica in ports),
        text,
    )
    assert count == 2, f"replicas are listed in replicas.nginx.conf {count} times"
    # Tests need not wait as long until nginx tries a lost replica again.
    text = text.replace("fail_timeout=5s", "fail_timeout=1s")
    (folder / "replicas.conf").write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ {temporary} log_format replica '$upstream_addr $status $request_uri';\n"
        f"access_log {log} replica; include {folder}/replicas.conf; }}\n"
    )
    process = subprocess.Popen(
        [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", f"{folder}/nginx.conf"]
    )
    url = f"http://localhost:{port}"
    try:
        wait_until(lambda: urlopen(f"{url}/api/live", timeout=5).status == 200, PATIENCE_SECONDS)
        yield url, log
    finally:
        process.terminate()
        process.wait(timeout=30)
