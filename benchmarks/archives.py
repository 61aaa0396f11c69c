"""Photos per second of a core for an archive in a bucket: on Ray against the loop without it.

``build/scale/bin/python -m benchmarks.archives FOLDER``, for a folder of photos. They are put into
a bucket of an S3 server, moto, in a process of its own. The time from the first part to the last
counts, without the start.
"""

import os
import subprocess
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import click

from .figure import measure_pairs

ENDPOINT = "http://127.0.0.1:5057"


@click.command()
@click.option("--pairs", default=4, show_default=True)
@click.option("--copies", default=6, show_default=True, help="Objects per photo.")
@click.option("--model", "name", default="imagenet", show_default=True)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path, pairs: int, copies: int, name: str) -> None:
    """Measure both ways in turn, each with one core, and print the medians and their ratio."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "LOUPE_THREADS": "1"}
    os.environ |= {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_DEFAULT_REGION": "us-east-1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", ENDPOINT.rpartition(":")[2]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _fill_bucket([path.read_bytes() for path in sorted(folder.iterdir())] * copies)
        print(f"Listing takes {_listing_bytes():,.0f} bytes of memory per photo.")
        plain, on_ray = _ways(name)
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


def _ways(name: str) -> tuple[Callable[[], float], Callable[[], float]]:
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


if __name__ == "__main__":
    main()
