"""Ray Serve on nodes of this machine, by the files of ``deploy write``, and its clients."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest
import yaml

from deploy.hosts import HOSTS
from deploy.hosts.ray_serve import ENVIRONMENT_FILE, FILE
from deploy.ports import free_port
from deploy.spec import APP
from model.settings import ROOT
from tests.model.tiny import COLOURS
from tests.waiting import wait_until

from .conftest import encode

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
PATIENCE_SECONDS = 60
PHOTOS = {name: encode(name) for name in COLOURS}
"""A photo of each colour, by the answer of the model ``tiny``."""


@contextmanager
def cluster_environment(**settings: str) -> Iterator[None]:
    """Set the variables of the files, and settings of the app, for what starts meanwhile."""
    text = HOSTS["ray-serve"].make_files(APP)[ENVIRONMENT_FILE]
    variables = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    # The owner's token is not for tests.
    variables |= {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
    variables |= {f"LOUPE_{name}": value for name, value in settings.items()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


class ServeCluster:
    """Nodes of one core each, the first of which is the head, and the application on them."""

    def __init__(self, folder: Path, nodes: int) -> None:
        from ray.cluster_utils import Cluster

        self._folder, self._port = folder, free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._cluster = Cluster(True, head_node_args={**NODE, "include_dashboard": False})
        self.nodes = [self.add_node() for _ in range(nodes - 1)]
        """The nodes without the head."""

    def add_node(self) -> Any:
        """Start a node, whose proxy has a port of its own; return it."""
        port = {"RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(free_port())}
        return self._cluster.add_node(**NODE, env_vars=port)

    def remove_node(self, node: Any) -> None:
        """Kill a node's processes, as if the machine failed."""
        self._cluster.remove_node(node, allow_graceful=False)

    def deploy(self, autoscaling: Mapping[str, float], **settings: str) -> None:
        """Deploy by the command in the files' steps, with an environment of these settings."""
        values = dict.fromkeys(("MIN_REPLICAS", "MAX_REPLICAS"), "1")
        config = yaml.safe_load(HOSTS["ray-serve"].make_files(APP, values)[FILE])
        config["http_options"] = {"host": "127.0.0.1", "port": self._port}
        (application,) = config["applications"]
        application["runtime_env"]["env_vars"] |= {"LOUPE_MODEL": "tiny", **settings}
        application["deployments"][0]["autoscaling_config"] |= autoscaling
        (self._folder / FILE).write_text(yaml.safe_dump(config))
        serve = [sys.executable, "-m", "ray.serve.scripts", "run", "--app-dir", str(ROOT)]
        serve += ["--address", self._cluster.address, "--non-blocking", str(self._folder / FILE)]
        subprocess.run(serve, check=True, cwd=ROOT, capture_output=True, timeout=PATIENCE_SECONDS)

    def replicas(self) -> list[psutil.Process]:
        """Return the processes of replicas."""
        return self.processes("ray::ServeReplica")

    def processes(self, title: str) -> list[psutil.Process]:
        """Return the cluster's processes whose title begins like this."""
        return [
            process
            for process in psutil.Process().children(recursive=True)
            if title_of(process).startswith(title)
        ]

    def wait_until_answering(self, count: int) -> None:
        """Wait until so many replicas have answered, by Serve's logs."""
        before = self._answers()

        def is_answering() -> bool:
            return sum(number > before[log] for log, number in self._answers().items()) >= count

        wait_until(is_answering, PATIENCE_SECONDS)

    def _answers(self) -> Counter[Path]:
        logs = Path(self._cluster.head_node.get_session_dir_path(), "logs", "serve")
        counts = {log: log.read_text().count(" POST / 200 ") for log in logs.glob("replica_*.log")}
        return Counter(counts)

    def shutdown(self) -> None:
        """End all nodes."""
        self._cluster.shutdown()


@contextmanager
def serve_cluster(
    folder: Path, nodes: int, replica: Mapping[str, str], **settings: str
) -> Iterator[ServeCluster]:
    """Run the application with a replica on each node.

    Args:
        folder: where the config is written.
        nodes: their number.
        replica: variables of the config.
        settings: settings of all processes, by names without ``LOUPE_``.
    """
    with cluster_environment(**settings):
        cluster = ServeCluster(folder, nodes)
        try:
            cluster.deploy({"min_replicas": nodes, "max_replicas": nodes}, **replica)
            wait_until(lambda: len(cluster.replicas()) == nodes, PATIENCE_SECONDS)
            wait_until(lambda: ask(f"{cluster.url}/api/ready")[0] == 200, PATIENCE_SECONDS)
            yield cluster
        finally:
            cluster.shutdown()


def title_of(process: psutil.Process) -> str:
    """Return what a process calls itself, or nothing once it has ended."""
    try:
        return (process.cmdline() or [""])[0]
    except psutil.Error:
        return ""


def ask(
    address: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers in lower case and body of a response; status 0 if there is none."""
    try:
        try:
            reply = urlopen(Request(address, body, headers), timeout=30)
        except HTTPError as error:
            reply = error
        with reply:
            lower = {name.lower(): value for name, value in reply.headers.items()}
            return reply.status, lower, reply.read()
    except (OSError, HTTPException):  # also in the middle of a response
        return 0, {}, b""


@dataclass
class Clients:
    """Clients that send photos one after the other, and check every answer."""

    url: str
    answered: list[float] = field(default_factory=list)
    """Times of answers, in seconds on the monotonic clock."""
    refused: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self, ended: threading.Event) -> None:
        """Send photos until the event is set."""
        while not ended.is_set():
            for name, photo in PHOTOS.items():
                status, headers, body = ask(f"{self.url}/api/v1/identify?top=1", photo)
                if status == 200 and json.loads(body)["answer"] == name:
                    self.answered.append(time.monotonic())
                    continue
                # A broken connection, or a refusal that clients know.
                kind = (status, headers.get("content-type"), "retry-after" in headers)
                if kind not in ((0, None, False), (503, "application/problem+json", True)):
                    self.wrong.append(f"{name}: {kind} {body[:200]!r}")
                self.refused.append(time.monotonic())
                ended.wait(0.2)

    def rate(self, start: float, seconds: float) -> float:
        """Return the answers per second from a moment on."""
        return sum(start <= moment < start + seconds for moment in self.answered) / seconds


@contextmanager
def clients(cluster: ServeCluster, count: int) -> Iterator[Clients]:
    """Run clients until the block ends, of which no answer may be wrong."""
    shared, ended = Clients(cluster.url), threading.Event()
    threads = [threading.Thread(target=shared.run, args=(ended,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield shared
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert shared.wrong == []
    assert shared.answered
