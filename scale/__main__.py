"""``python -m scale identify``, which ``python -m model identify --out`` starts."""

import re
import sys
import time
from datetime import timedelta
from pathlib import Path

import click

from model import load
from model.cli.error_group import ErrorGroup
from model.cli.identify import identify_command

from .archive_run import ArchiveRun, Job

REPORT_SECONDS = 30
"""Time between two lines of progress."""


def identify_archive(
    name: str | None,
    top: int,
    engine: str | None,
    photos: tuple[str],
    out: str,
    shard: str | None,
    cluster: str | None,
    **_: object,
) -> None:
    """Identify the photos of an archive, or continue a run that was stopped."""
    match = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", shard or "1/1")
    if match is None or int(match[1]) > int(match[2]):
        raise click.UsageError("Give --shard as number and count, such as 3/16.")
    places = [path if "://" in path else str(Path(path).absolute()) for path in (*photos, out)]
    archive, results = (place.rstrip("/") for place in places)
    classifier = load(name, engine)
    bundle, shards = classifier.bundle, (int(match[1]), int(match[2]))
    job = Job(archive, results, *shards, bundle.name, bundle.version, classifier.engine.name, top)
    click.echo("Listing the photos", err=True)
    run = ArchiveRun(job)
    if cluster and run.parts:
        from .ray_pool import identify_on_ray

        counts = identify_on_ray(run, bundle, cluster)
    else:
        counts = run.identify(classifier, run.parts)
    total, left = sum(run.sizes), sum(run.sizes[part] for part in run.parts)
    earlier, done, rejected = total - left, 0, 0
    started = reported = time.monotonic()
    try:
        for photos_done, failures in counts:
            done, rejected, now = done + photos_done, rejected + failures, time.monotonic()
            if now - reported >= REPORT_SECONDS:
                reported = now
                time_left = timedelta(seconds=round((now - started) / done * (left - done)))
                click.echo(f"{earlier + done:,} of {total:,} photos, {time_left} left", err=True)
    finally:
        click.echo(
            f"{total:,} photos: {earlier:,} done earlier, {done - rejected:,} identified, "
            f"{rejected:,} couldn't be read, {left - done:,} not reached.",
            err=True,
        )
    sys.exit(1 if rejected else 0)


identify = click.Command("identify", params=identify_command.params, callback=identify_archive)

if __name__ == "__main__":
    ErrorGroup(commands=[identify])(prog_name="python -m scale")
