"""The app's API in one process against Ray Serve with one replica; memory of Ray's processes.

``build/scale/bin/python -m benchmarks.serving``. Both have one core for the model. What is beside
it, the load among it, shares the machine's other cores.
"""

import sys
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from statistics import median

import click
import psutil

from deploy.hosts.ray_serve import ENVIRONMENT
from tests.waiting import wait_until

from .apps import Server, loupe, serve
from .environment import ROOT
from .figure import measure_pairs
from .inputs import photos_of_size
from .network import LoadResult, run_load

CLUSTER = """
import os, signal, time
from scale.serve_deployment import app, serve
import ray
ray.init("local", num_cpus=1, object_store_memory=80_000_000, include_dashboard=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["STREAMLIT_SERVER_PORT"])})
started = time.monotonic()
serve.run(app, name="loupe")
print(f"A replica is ready after {time.monotonic() - started:.1f} s", flush=True)
signal.pause()
"""
READY = "A replica is ready after"
CLIENTS = 8
PATH = "/api/v1/identify?top=5"
PHOTOS = 30
REPEATS = {60: 10, 1000: 3, 5000: 1}
"""How often the photos are sent per reading, by the size of their files in kB."""

KINDS = {
    "ray::ServeReplica": "replica",
    "ray::ProxyActor": "proxy",
    "ray::ServeController": "controller",
    "ray::IDLE": "idle workers",
}
"""Processes by the beginning of their titles."""


@click.command()
@click.option("--rounds", default=7, show_default=True)
def main(rounds: int) -> None:
    """Measure both in turn, and print medians and the median ratio of the pairs."""
    ray_app = replace(loupe(), name="Ray", command=(sys.executable, "-c", CLUSTER))
    with ExitStack() as stack:
        settings = {"LOUPE_THREADS": "1", "PYTHONPATH": str(ROOT)}
        plain = stack.enter_context(serve(loupe(), **settings))
        plain.wait_for("/api/ready")
        print(f"{plain.app.name} is ready after {plain.seconds():.1f} s")
        plain.wait_until_ready()
        cluster = ENVIRONMENT | settings | {"RAY_AUTH_MODE": "disabled"}
        on_ray = stack.enter_context(serve(ray_app, **cluster))
        on_ray.wait_for("/api/ready")
        # The proxy is ready a little before the command.
        wait_until(lambda: READY in on_ray.log.read_text(), 30, on_ray.log.read_text)
        print(next(line for line in on_ray.log.read_text().splitlines() if READY in line))
        _print_memory(plain, on_ray)
        print("| photos | | photos/s | p95 | CPU per photo |\n|---|---|---:|---:|---|")
        for kilobytes in REPEATS:
            _compare(plain, on_ray, kilobytes, rounds)
        _print_memory(plain, on_ray)


def _print_memory(*servers: Server) -> None:
    for server in servers:
        for kind, processes in _processes(server).items():
            used = sum(process.memory_full_info().pss for process in processes) / 2**20
            print(f"{server.app.name}, {kind}: {used:.0f} MB (PSS) in {len(processes)} processes")


def _compare(plain: Server, on_ray: Server, kilobytes: int, rounds: int) -> None:
    """Print the rows of one size of photos."""
    photos = photos_of_size(kilobytes, PHOTOS) * REPEATS[kilobytes]
    readings = defaultdict[str, list[tuple[LoadResult, dict[str, float]]]](list)

    def read(server: Server) -> float:
        before = _cpu_seconds(server)
        result = run_load(server.origin + PATH, photos, CLIENTS)
        if result.errors:
            raise click.ClickException(f"{server.app.name}: {result.errors} errors")
        spent = {kind: at - before.get(kind, 0) for kind, at in _cpu_seconds(server).items()}
        readings[server.app.name].append((result, spent))
        return result.seconds

    pairs = measure_pairs(partial(read, plain), partial(read, on_ray), rounds)
    for name, (_, *rows) in readings.items():
        rate = len(photos) / median(result.seconds for result, _ in rows)
        p95 = median(result.quantile(0.95) for result, _ in rows)
        cost = {kind: median(spent[kind] for _, spent in rows) for kind in rows[0][1]}
        shown = ", ".join(
            f"{kind} {seconds / len(photos) * 1000:.1f} ms" for kind, seconds in cost.items()
        )
        print(f"| {kilobytes} kB | {name} | {rate:.1f} | {p95 * 1000:.0f} ms | {shown} |")
    ratios = sorted(ours / theirs for ours, theirs in zip(pairs.ours, pairs.theirs, strict=True))
    print(f"| | Ray's rate | {pairs.ratio:.1%} | {ratios[0]:.1%} to {ratios[-1]:.1%} | |")


def _processes(server: Server) -> dict[str, list[psutil.Process]]:
    kinds = defaultdict[str, list[psutil.Process]](list)
    for process in (server.process, *server.process.children(recursive=True)):
        title = " ".join(process.cmdline())
        other = "Ray's own" if process != server.process else "started process"
        kinds[next((KINDS[start] for start in KINDS if start in title), other)].append(process)
    return kinds


def _cpu_seconds(server: Server) -> dict[str, float]:
    return {
        kind: sum(sum(process.cpu_times()[:2]) for process in processes)
        for kind, processes in _processes(server).items()
    }


if __name__ == "__main__":
    main()
