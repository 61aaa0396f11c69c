"""Ray Serve on nodes of this machine, by the files of ``deploy write``."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from deploy.client import free_port
from deploy.hosts import HOSTS
from deploy.hosts.ray_serve import ENVIRONMENT_FILE, FILE
from deploy.spec import APP
from model.settings import ROOT
from tests.operating.parts import ask
from tests.waiting import wait_until

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
PATIENCE_SECONDS = 60


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
        answer = " POST /api/v1/identify 200 "
        return Counter({log: log.read_text().count(answer) for log in logs.glob("replica_*.log")})

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
    text = HOSTS["ray-serve"].make_files(APP)[ENVIRONMENT_FILE]
    variables = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    # The owner's token is not for tests.
    variables |= {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
    variables |= {f"LOUPE_{name}": value for name, value in settings.items()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
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
