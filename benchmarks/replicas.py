"""The app in several processes behind nginx and on Ray: archives, rates, what a photo costs.

``build/scale/bin/python -m benchmarks.replicas COMMAND``, for docs/scale.md. Each process or
replica has one core for the model. The servers, nginx and the load share the machine's cores.
"""

import os
import random
import subprocess
import sys
import time
import tracemalloc
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import accumulate, count, cycle, islice, repeat, takewhile
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import click
import psutil

from deploy.client import free_port
from deploy.hosts.ray_serve import ENVIRONMENT
from tests.operating.parts import nginx
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
SETTINGS = {"LOUPE_THREADS": "1", "PYTHONPATH": str(ROOT)}
ROUTE = "/api/v1/identify?top=5"
PHOTOS, KILOBYTES = 30, 60
REPEATS = {60: 10, 1000: 3, 5000: 1}
"""How often the photos are sent per reading, by the size of their files in kB."""

COUNTS, CLIENTS = (1, 2, 4), 8
"""Numbers of processes to measure; and of clients: as many as one process's queue holds."""

ARRIVALS_PER_SECOND, CONNECTIONS, ARRIVAL_SECONDS = 150, 100, 10
KINDS = {
    "ray::ServeReplica": "replica",
    "ray::ProxyActor": "proxy",
    "ray::ServeController": "controller",
    "ray::IDLE": "idle workers",
}
"""Processes by the beginning of their titles."""


@click.group()
def main() -> None:
    """Measure several ways in turn, and print medians and the median ratio of the pairs."""


@main.command()
@click.option("--pairs", default=4, show_default=True)
@click.option("--copies", default=6, show_default=True, help="Objects per photo.")
@click.option("--model", "name", default="imagenet", show_default=True)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def archive(folder: Path, pairs: int, copies: int, name: str) -> None:
    """Identify the photos in FOLDER in a bucket of an S3 server, moto, in its own process.

    With Ray and without; the time from the first part to the last counts, without the start.
    """
    import fsspec

    port = str(free_port())
    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "LOUPE_THREADS": "1"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "moto.server", "-p", port]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # The server may still be starting.
        files = fsspec.filesystem("s3", config_kwargs={"retries": {"total_max_attempts": 20}})
        files.mkdir("archive")
        photos = enumerate([path.read_bytes() for path in sorted(folder.iterdir())] * copies)
        files.pipe({f"archive/photos/{number}.jpg": data for number, data in photos})
        print(f"Listing takes {_listing_bytes():,.0f} bytes of memory per photo.")
        plain, on_ray = _archive_ways(name)
        readings = measure_pairs(on_ray, plain, pairs, warm=0)
    finally:
        server.terminate()
    print(f"Ray against the plain loop, per photo: {readings}")
    for ours, theirs in zip(readings.ours, readings.theirs, strict=True):
        print(f"{1 / ours:.1f} against {1 / theirs:.1f} photos per second: {theirs / ours:.1%}")
    print(f"Ray has {1 / readings.ratio:.1%} of the plain loop's rate (median of the pairs).")


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
    """Return two functions, without Ray and on Ray, which measure the seconds per photo."""
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

    plain = partial(measure, lambda run: run.identify(classifier, run.parts))
    return plain, partial(measure, lambda run: identify_on_ray(run, bundle, "local"))


@main.command("serve")
@click.option("--rounds", default=7, show_default=True)
def serve_api(rounds: int) -> None:
    """Compare the app's process with Ray Serve with one replica, and print their memory."""
    ray_app = replace(loupe(), name="Ray", command=(sys.executable, "-c", CLUSTER))
    with ExitStack() as stack:
        plain = stack.enter_context(serve(loupe(), **SETTINGS))
        plain.wait_for("/api/ready")
        print(f"{plain.app.name} is ready after {plain.seconds():.1f} s")
        plain.wait_until_ready()
        cluster = ENVIRONMENT | SETTINGS | {"RAY_AUTH_MODE": "disabled"}
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
        used = _sum_by_kind(server, lambda process: process.memory_full_info().pss / 2**20)
        for kind, megabytes in used.items():
            print(f"{server.app.name}, {kind}: {megabytes:.0f} MB (PSS)")


def _compare(plain: Server, on_ray: Server, kilobytes: int, rounds: int) -> None:
    """Print the rows of one size of photos."""
    photos = photos_of_size(kilobytes, PHOTOS) * REPEATS[kilobytes]
    readings = defaultdict[str, list[tuple[LoadResult, dict[str, float]]]](list)

    def read(server: Server) -> float:
        before = _sum_by_kind(server, _cpu_seconds)
        result = run_load(server.origin + ROUTE, photos, CLIENTS)
        if result.errors:
            raise click.ClickException(f"{server.app.name}: {result.errors} errors")
        after = _sum_by_kind(server, _cpu_seconds)
        spent = {kind: at - before.get(kind, 0) for kind, at in after.items()}
        readings[server.app.name].append((result, spent))
        return result.seconds

    pairs = measure_pairs(partial(read, plain), partial(read, on_ray), rounds)
    for name, (_, *rows) in readings.items():
        rate = len(photos) / median(result.seconds for result, _ in rows)
        p95 = median(result.quantile(0.95) for result, _ in rows)
        cost = {kind: median(spent[kind] for _, spent in rows) for kind in rows[0][1]}
        each = {kind: seconds / len(photos) * 1000 for kind, seconds in cost.items()}
        shown = ", ".join(f"{kind} {milliseconds:.1f} ms" for kind, milliseconds in each.items())
        print(f"| {kilobytes} kB | {name} | {rate:.1f} | {p95 * 1000:.0f} ms | {shown} |")
    ratios = sorted(ours / theirs for ours, theirs in zip(pairs.ours, pairs.theirs, strict=True))
    print(f"| | Ray's rate | {pairs.ratio:.1%} | {ratios[0]:.1%} to {ratios[-1]:.1%} | |")


def _sum_by_kind(server: Server, amount: Callable[[psutil.Process], float]) -> dict[str, float]:
    """Return the total of ``amount`` for each kind of the server's processes."""
    sums = defaultdict[str, float](float)
    for process in server.processes():
        title = " ".join(process.cmdline())
        other = "Ray's own" if process != server.process else "started process"
        kind = next((KINDS[start] for start in KINDS if start in title), other)
        sums[kind] += amount(process)
    return sums


def _cpu_seconds(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def _start(stack: ExitStack, number: int) -> tuple[str, list[Server]]:
    """Start that many processes behind nginx; return the address that identifies photos."""
    servers = [stack.enter_context(serve(loupe(), **SETTINGS)) for _ in range(number)]
    for server in servers:
        server.wait_until_ready()
    folder = Path(stack.enter_context(TemporaryDirectory()))
    url, _ = stack.enter_context(nginx(folder, [server.port for server in servers]))
    return url + ROUTE, servers


@main.command()
@click.option("--photos", default=1000, show_default=True)
@click.option("--number", default=1, show_default=True, help="Of processes.")
@click.option("--clients", default=1, show_default=True)
def cost(photos: int, number: int, clients: int) -> None:
    """Print the milliseconds of a core per photo, by part."""
    files = list(islice(cycle(photos_of_size(KILOBYTES, 100)), photos))
    with ExitStack() as stack:
        url, servers = _start(stack, number)
        run_load(url, files[:100], clients)
        before = _parts(servers)
        result = run_load(url, files, clients)
        after = _parts(servers)
    for name, seconds in after.items():
        print(f"{name}: {(seconds - before[name]) / photos * 1000:.2f} ms of a core per photo")
    print(f"latency {fmean(result.latencies) * 1000:.2f} ms, {photos / result.seconds:.1f} per s")


def _parts(servers: list[Server]) -> dict[str, float]:
    """Return the CPU time of this process, nginx, event loops and the servers' other threads."""
    spent = {"client": time.process_time(), "proxy": 0.0, "loop": 0.0, "slot": 0.0}
    for process in psutil.Process().children(recursive=True):
        if process.name() == "nginx":
            spent["proxy"] += _cpu_seconds(process)
    for server in servers:
        for thread in server.process.threads():
            part = "loop" if thread.id == server.process.pid else "slot"
            spent[part] += thread.user_time + thread.system_time
    return spent


@main.command()
@click.option("--rounds", default=8, show_default=True)
@click.option("--photos", default=400, show_default=True, help="Of the clients, per round.")
def measure(rounds: int, photos: int) -> None:
    """Print rates, latencies and the refused share of several processes, measured in turn."""
    files = cycle(photos_of_size(KILOBYTES, 100))
    rows = defaultdict[int, list[tuple[float, ...]]](list)
    with ExitStack() as stack:
        urls = {number: _start(stack, number)[0] for number in COUNTS}
        for seed in range(rounds + 1):
            source = random.Random(seed)
            times = accumulate(source.expovariate(rate) for rate in repeat(ARRIVALS_PER_SECOND))
            due = list(takewhile(lambda at: at <= ARRIVAL_SECONDS, times))
            for number, url in urls.items():
                closed = run_load(url, list(islice(files, photos)), CLIENTS)
                opened = run_load(url, list(islice(files, len(due))), CONNECTIONS, due)
                rate, refused = len(closed.latencies) / closed.seconds, opened.errors / len(due)
                latencies = closed.quantile(0.95), opened.quantile(0.95)
                rows[number].append((rate, latencies[0], refused, latencies[1]))
    titles = ("photos/s", "p95 in s", "refused at random times", "p95 in s at random times")
    for number, (_, *readings) in rows.items():  # the first round warms up
        for title, values in zip(titles, zip(*readings, strict=True), strict=True):
            spread = f"{min(values):.3g} to {max(values):.3g}"
            print(f"{number} processes, {title}: {median(values):.3g} ({spread})")


if __name__ == "__main__":
    main()
