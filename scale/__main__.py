"""``python -m scale identify``, which ``python -m model identify --out`` starts."""

import logging
import os
import re
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import click

from model import load
from model.cli.identify import identify_command
from model.cli.terminal import ErrorGroup
from model.storage.addresses import SCHEME
from model.text import count_of

from .archive_run import ArchiveRun, Job

REPORT_SECONDS = 30
"""Time between two lines of progress."""


def identify_archive(**options: Any) -> None:
    """Identify the photos of an archive, or continue a run that was stopped."""
    given, cluster = options["shard"], options["cluster"]
    shard = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", "1/1" if given is None else given)
    if shard is None or int(shard[1]) > int(shard[2]):
        raise click.UsageError("Give --shard as number and count, such as 3/16.")
    # Ray imports the module that a scheme names; with ray://, Ray Data doesn't work.
    if cluster is not None and not re.fullmatch(r"local|auto|[\w.-]+:\d{1,5}", cluster):
        raise click.UsageError("Set --ray to local, auto or a cluster's HOST:PORT.")
    archive, results = (
        address.rstrip("/") if SCHEME.match(address) else str(Path(address).absolute())
        for address in (*options["photos"], options["out"])
    )
    logging.getLogger("gcsfs").setLevel("CRITICAL")  # it logs a traceback for each error
    classifier = load(options["name"], options["engine"])
    bundle, engine = classifier.bundle, classifier.engine.name
    shards = int(shard[1]), int(shard[2])
    job = Job(archive, results, *shards, bundle.name, bundle.version, engine, options["top"])
    click.echo("Listing the photos", err=True)
    run = ArchiveRun(job)
    counts = run.identify(classifier, run.parts)
    if cluster and run.parts:
        from .ray_pool import identify_on_ray

        counts = identify_on_ray(run, bundle, cluster)
    total, left = sum(run.sizes), sum(run.sizes[part] for part in run.parts)
    earlier, done, rejected = total - left, 0, 0

    def summarize() -> None:
        click.echo(
            f"{count_of(total, 'photo')}: {earlier:,} done earlier, "
            f"{done - rejected:,} answered, {rejected:,} couldn't be read, "
            f"{left - done:,} not reached.",
            err=True,
        )

    def stop(*_: object) -> NoReturn:
        # Threads may wait minutes for an archive that has failed, and Python for them.
        summarize()
        click.echo("Stopped. Run the same command again to continue.", err=True)
        os._exit(130)

    signal.signal(signal.SIGINT, stop)
    started = reported = time.monotonic()
    try:
        for photos, failures in counts:
            done, rejected, now = done + photos, rejected + failures, time.monotonic()
            if now - reported >= REPORT_SECONDS:
                reported = now
                time_left = timedelta(seconds=round((now - started) / done * (left - done)))
                click.echo(f"{earlier + done:,} of {total:,} photos, {time_left} left", err=True)
    finally:
        summarize()
    sys.exit(1 if rejected else 0)


identify = click.Command("identify", params=identify_command.params, callback=identify_archive)

if __name__ == "__main__":
    ErrorGroup(commands=[identify])(prog_name="python -m model")
