"""Loupe on Ray against Loupe without: an archive in a bucket, and the API under load.

``build/scale/bin/python -m benchmarks.on_ray archive FOLDER`` and ``… serve``. Both ways have one
core for the model. The servers and the load share the machine's other cores.
"""

import os
import subprocess
import sys
import time
import tracemalloc
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import click
import psutil

from deploy.hosts.ray_serve import ENVIRONMENT
from deploy.ports import free_port
from tests.waiting import wait_until

from .apps import Server, loupe, serve
from .environment import ROOT
from .figure import measure_pairs
from .inputs import photos_of_size
from .traffic import LoadResult, run_load

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
CLIENTS, PHOTOS = 8, 30
REPEATS = {60: 10, 1000: 3, 5000: 1}
"""How often the photos are sent per reading, by the size of their files in kB."""

KINDS = {
    "ray::ServeReplica": "replica",
    "ray::ProxyActor": "proxy",
    "ray::ServeController": "controller",
    "ray::IDLE": "idle workers",
}
"""Processes by the beginning of their titles."""


@click.group()
def main() -> None:
    """Measure both ways in turn, and print medians and the median ratio of the pairs."""


@main.command()
@click.option("--pairs", default=4, show_default=True)
@click.option("--copies", default=6, show_default=True, help="Objects per photo.")
@click.option("--model", "name", default="imagenet", show_default=True)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def archive(folder: Path, pairs: int, copies: int, name: str) -> None:
    """Identify the photos in FOLDER in a bucket of an S3 server, moto, in its own process.

    The time from the first part to the last counts, without the start.
    """
    port = str(free_port())
    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "LOUPE_THREADS": "1"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "moto.server", "-p", port]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _fill_bucket([path.read_bytes() for path in sorted(folder.iterdir())] * copies)
        print(f"Listing takes {_listing_bytes():,.0f} bytes of memory per photo.")
        plain, on_ray = _archive_ways(name)
        readings = measure_pairs(on_ray, plain, pairs, warm=0)
    finally:
        server.terminate()
    print(f"Ray against the plain loop, per photo: {readings}")
    for ray_seconds, plain_seconds in zip(readings.ours, readings.theirs, strict=True):
        print(f"{1 / ray_seconds:.1f} against {1 / plain_seconds:.1f} photos per second")
    print(f"Ray has {1 / readings.ratio:.1%} of the plain loop's rate (median of the pairs).")


def _fill_bucket(photos: list[bytes]) -> None:
    import fsspec

    # The server may still be starting.
    files = fsspec.filesystem("s3", config_kwargs={"retries": {"total_max_attempts": 20}})
    files.mkdir("archive")
    files.pipe({f"archive/photos/{number}.jpg": data for number, data in enumerate(photos)})


def _listing_bytes() -> float:
    """Return the peak memory of listing a folder of the bucket, per photo."""
    from model.storage.addresses import open_storage
    from scale.archive_run import list_photos

    files = open_storage("s3://archive")
    photos = sum(1 for _ in list_photos(files))  # also imports what it needs
    tracemalloc.start()
    deque(list_photos(files), maxlen=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / photos


def _archive_ways(name: str) -> tuple[Callable[[], float], Callable[[], float]]:
    """Return the loop without Ray and the one on Ray; each returns its seconds per photo."""
    from model import load
    from scale.archive_run import ArchiveRun, Job
    from scale.ray_pool import identify_on_ray

    classifier, numbers = load(name), count()
    bundle = classifier.bundle

    def measure(identify: Callable[[ArchiveRun], Iterator[tuple[int, int]]]) -> float:
        out = f"s3://archive/out-{next(numbers)}"
        job = Job("s3://archive/photos", out, 1, 1, name, bundle.version, "compiled", 5)
        counts = identify(ArchiveRun(job))
        next(counts)
        started = time.perf_counter()
        photos = sum(identified for identified, _ in counts)
        return (time.perf_counter() - started) / photos

    return (
        lambda: measure(lambda run: run.identify(classifier, run.parts)),
        lambda: measure(lambda run: identify_on_ray(run, bundle, "local")),
    )


@main.command("serve")
@click.option("--rounds", default=7, show_default=True)
def serve_api(rounds: int) -> None:
    """Compare the app's process with Ray Serve with one replica, and print their memory."""
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
        result = run_load(f"{server.origin}/api/v1/identify?top=5", photos, CLIENTS)
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
    for process in server.processes():
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
