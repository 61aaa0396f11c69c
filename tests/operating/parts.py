"""PostgreSQL, replicas of the app and nginx, which tests start on free ports; their clients."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from deploy.client import free_port
from model.api_client import open_url
from model.settings import ROOT
from tests.browser.server import serving
from tests.http_server import NO_HEADERS
from tests.model.tiny import COLOURS, colour, tiny
from tests.photos import encoded
from tests.python import run_python
from tests.tools import require_tool
from tests.waiting import in_threads, wait_until

PATIENCE_SECONDS = 30
"""Longest wait for a process, in seconds."""

PASSWORD = "known-to-the-cluster"
PHOTOS = {name: encoded(colour(name), "PNG") for name in COLOURS}
"""A photo of each colour, by the answer of the model ``tiny``."""


@dataclass(frozen=True)
class PostgreSql:
    """A PostgreSQL server with an empty cluster below a folder, always on the same port."""

    folder: Path
    port: int
    run_as: Mapping[str, Any]

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"postgresql://loupe:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        options = f"-p {self.port} -h 127.0.0.1 -k '' -F -N 40"
        self._control("start", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """Stop it by its fast shutdown, which disconnects clients."""
        self._control("stop", "-m", "fast")

    def _control(self, action: str, *options: str) -> None:
        data = str(self.folder / "db")
        command = [require_tool("pg_ctl"), action, "--silent", "--wait", "-D", data, *options]
        # A test that failed may have stopped it already.
        is_needed = action != "stop"
        subprocess.run(command, check=is_needed, cwd=self.folder, timeout=60, **self.run_as)


@contextlib.contextmanager
def postgresql() -> Iterator[PostgreSql]:
    """Start PostgreSQL with an empty cluster; yield the server."""
    initdb = require_tool("initdb")
    # Missing on Windows.
    import pwd

    # PostgreSQL refuses to run as root; another user needs a folder that it may enter.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    run_as: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid} if user else {}
    with tempfile.TemporaryDirectory(prefix="loupe-postgresql-") as temporary:
        server = PostgreSql(Path(temporary), free_port(), run_as)
        if user:
            os.chown(temporary, user.pw_uid, user.pw_gid)
        password = server.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        command = [initdb, "-D", str(server.folder / "db"), "-U", "loupe", "-E", "UTF8"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"]
        subprocess.run(
            command, check=True, capture_output=True, cwd=temporary, timeout=60, **run_as
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


def ask(
    address: str,
    body: bytes | None = None,
    headers: Mapping[str, str] = NO_HEADERS,
    timeout: float = 60,
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers in lower case and body of a response; status 0 if there is none."""
    try:
        try:
            reply = urlopen(Request(address, body, dict(headers)), timeout=timeout)
        except HTTPError as error:
            reply = error
        with reply:
            lower = {name.lower(): value for name, value in reply.headers.items()}
            return reply.status, lower, reply.read()
    except (OSError, HTTPException):  # also in the middle of a response
        return 0, {}, b""


class Failure(NamedTuple):
    """A response other than the expected one: its time on the monotonic clock, and its kind."""

    seconds: float
    status: int
    code: str
    """The code of the API's error, empty for any other response."""
    has_retry_after: bool


@dataclass
class Client:
    """A client, or several, that repeats requests, whatever happens, and notes the responses."""

    url: str
    accepted: list[str] = field(default_factory=list)
    """The labels of accepted corrections."""
    answered: list[float] = field(default_factory=list)
    """Times of answers to photos, in seconds on the monotonic clock."""
    failures: list[Failure] = field(default_factory=list)

    def correct(self, ended: threading.Event) -> None:
        """Send corrections, and repeat each one until it is accepted."""
        while not ended.is_set():
            label = f"word {len(self.accepted)}"
            if self._post(ended, "corrections", PHOTOS["red"], label=label):
                self.accepted.append(label)

    def identify(self, ended: threading.Event) -> None:
        """Send photos, whose answers must be right."""
        while not ended.is_set():
            for name, photo in PHOTOS.items():
                if reply := self._post(ended, "identify", photo, top=1):
                    assert reply["answer"] == name
                    self.answered.append(time.monotonic())

    def _post(
        self, ended: threading.Event, route: str, photo: bytes, **params: object
    ) -> dict[str, Any]:
        """Send a photo and return the response; after a failure, wait and return an empty one."""
        address = f"{self.url}/api/v1/{route}?{urlencode(params)}"
        status, headers, body = ask(address, photo, {"Content-Type": "image/png"}, 10)
        if status in (200, 201):
            document: dict[str, Any] = json.loads(body)
            return document
        is_error = headers.get("content-type") == "application/problem+json"
        code = json.loads(body)["code"] if is_error else ""
        self.failures.append(Failure(time.monotonic(), status, code, "retry-after" in headers))
        # For up to five seconds nginx may hold both replicas for lost and answer immediately.
        ended.wait(0.25)
        return {}


@contextlib.contextmanager
def clients(url: str, count: int) -> Iterator[Client]:
    """Send photos until the block ends; each is answered, refused as busy, or cut off."""
    client, ended = Client(url), threading.Event()
    with in_threads(ended, *[partial(client.identify, ended)] * count):
        yield client
    assert client.answered
    for failure in client.failures:
        assert not failure.status or (failure.status == 503 and failure.code), failure
        assert failure.has_retry_after == bool(failure.status), failure


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
        if not store:
            tiny(self.models)
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """Start the process, and wait until its model is loaded."""
        app = serving(self._folder, port=self.port, **self._environment)  # type: ignore[arg-type]
        self._running.enter_context(app)

    def ready(self) -> dict[str, Any]:
        """Return what ``/api/ready`` says.

        Raises:
            OSError: the process doesn't respond.
        """
        with open_url(f"http://127.0.0.1:{self.port}/api/ready", timeout=5) as response:
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
        self._running.close()


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
