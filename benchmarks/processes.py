"""The app in one, two and four processes behind nginx, and what a photo costs one of them.

``build/scale/bin/python -m benchmarks.processes cost`` writes what the simulation needs, and
``… processes measure`` what it predicts. Each process has one core for the model; all of them,
nginx and the load share the machine's cores.
"""

import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import accumulate, cycle, islice, repeat, takewhile
from pathlib import Path
from statistics import fmean, median

import click
import numpy as np
import psutil
from numpy.typing import NDArray

from model.corrections import CorrectionStore
from tests.operating.parts import nginx, postgresql

from .apps import Server, loupe, serve
from .inputs import classifier, photos_of_size
from .simulation import COST
from .traffic import run_load

COUNTS = (1, 2, 4)
CLIENTS = 8
"""As many as one process has places to wait, so that none is refused."""

ARRIVALS_PER_SECOND, ARRIVAL_SECONDS = 150, 10
CONNECTIONS = 100
KILOBYTES = 60
MEASURED = COST.with_name("measured.json")


@contextmanager
def processes(number: int) -> Iterator[tuple[str, list[Server]]]:
    """Start that many processes behind nginx; yield the address that identifies photos."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(serve(loupe(), LOUPE_THREADS="1")) for _ in range(number)]
        for server in servers:
            server.wait_until_ready()
        url, _ = stack.enter_context(nginx(folder, [server.port for server in servers]))
        yield f"{url}/api/v1/identify?top=5", servers


@click.group()
def main() -> None:
    """Measure the app's processes."""


@main.command()
@click.option("--photos", default=1000, show_default=True)
@click.option("--number", default=1, show_default=True, help="Of processes.")
@click.option("--clients", default=1, show_default=True, help="With more than one, only print.")
def cost(photos: int, number: int, clients: int) -> None:
    """Write the seconds of a core per photo, of one process with one client."""
    files = list(islice(cycle(photos_of_size(KILOBYTES, 100)), photos))
    with processes(number) as (url, servers):
        run_load(url, files[:100], clients)
        before = _cpu_seconds(servers)
        result = run_load(url, files, clients)
        spent = (_cpu_seconds(servers) - before) / photos
    names, latency = ("client", "proxy", "loop", "slot"), fmean(result.latencies)
    for name, seconds in zip(names, spent, strict=True):
        print(f"{name}: {seconds * 1000:.2f} ms of a core per photo")
    print(f"latency {latency * 1000:.2f} ms, {photos / result.seconds:.1f} per s")
    if clients > 1:
        return
    # The other parts, and the waits for threads to wake up, are alike for all photos.
    *parts, slot = map(float, spent)
    slots = [round(max(0.0, slot + seconds - latency), 6) for seconds in result.latencies]
    COST.write_text(json.dumps(dict(zip(names, [*parts, slots], strict=True))) + "\n", "utf-8")


def _cpu_seconds(servers: list[Server]) -> NDArray[np.float64]:
    """Return the CPU time of this process, nginx, event loops and the servers' other threads."""
    seconds = np.array([time.process_time(), 0, 0, 0])
    for process in psutil.Process().children(recursive=True):
        if process.name() == "nginx":
            seconds[1] += sum(process.cpu_times()[:2])
    for server in servers:
        for thread in server.process.threads():
            is_loop = thread.id == server.process.pid
            seconds[2 if is_loop else 3] += thread.user_time + thread.system_time
    return seconds


@main.command()
@click.option("--rounds", default=8, show_default=True)
@click.option("--photos", default=400, show_default=True, help="Of the clients, per round.")
def measure(rounds: int, photos: int) -> None:
    """Write rates, latencies and the refused share, by the number of processes, in turn."""
    files = cycle(photos_of_size(KILOBYTES, 100))
    readings: dict[int, list[dict[str, float]]] = {number: [] for number in COUNTS}
    with ExitStack() as stack:
        urls = [(number, stack.enter_context(processes(number))[0]) for number in COUNTS]
        for seed in range(rounds + 1):
            due = _arrivals(random.Random(seed))
            for number, url in urls:
                closed = run_load(url, list(islice(files, photos)), CLIENTS)
                opened = run_load(url, list(islice(files, len(due))), CONNECTIONS, due)
                readings[number].append(
                    {
                        "photos_per_second": len(closed.latencies) / closed.seconds,
                        "p95": closed.quantile(0.95),
                        "refused": opened.errors / len(due),
                        "arrivals_p95": opened.quantile(0.95),
                    }
                )
    for rows in readings.values():
        del rows[0]  # warms up
    MEASURED.write_text(json.dumps(readings) + "\n", encoding="utf-8")
    for number, rows in readings.items():
        print(number, {name: round(median(row[name] for row in rows), 4) for name in rows[0]})


@main.command()
@click.option("--number", default=500, show_default=True)
def corrections(number: int) -> None:
    """Print how many corrections with photos PostgreSQL takes per second, one after the other."""
    (photo,) = photos_of_size(KILOBYTES, 1)
    prediction = classifier().identify(photo)
    with postgresql() as server, closing(CorrectionStore(server.url)) as store:
        started = time.perf_counter()
        for _ in range(number):
            store.add_correction(prediction, "a label", photo)
        print(f"{number / (time.perf_counter() - started):.0f} corrections per second, fsync off")


def _arrivals(source: random.Random) -> list[float]:
    """Return times of a Poisson process, in seconds."""
    times = accumulate(source.expovariate(rate) for rate in repeat(ARRIVALS_PER_SECOND))
    return list(takewhile(lambda at: at <= ARRIVAL_SECONDS, times))


if __name__ == "__main__":
    main()
