"""``python -m tests.operating.attacks [NAME ...]``: attack the app, and print a table."""

import logging
import sys

import click

from model.settings import ROOT
from tests.operating.attacks.measuring import Attack, Readings, measure
from tests.operating.attacks.rows import ATTACKS
from tests.operating.attacks.target import MEMORY_MB, Target, started, target_at

REPORT = ROOT / "build" / "attacks.md"
HEAD = """\
| attack | its responses | a visitor's page and answer | memory before, most, after | descriptors \
| log | what broke |
|---|---|---|---|---|---|---|"""


@click.command()
@click.option("--url", help="A server on this machine. By default, one is started for each attack.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def main(url: str | None, names: tuple[str, ...]) -> None:
    """Run the named attacks, by default all of them; the beginning of a name names several.

    Exits with 1 if the app doesn't withstand one.
    """
    # Also logs tracebacks of connections that a server refuses.
    logging.getLogger("websockets").addHandler(logging.NullHandler())
    try:
        target = target_at(url) if url else None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    readings = []
    for attack in ATTACKS:
        if attack.name.startswith(names or "") and (not target or target.pages or not attack.pages):
            click.echo(f"{attack.name} ...", err=True)
            readings.append(_measure(attack, target))
    limited = "In" if all(reading.target.is_limited for reading in readings) else "Not in"
    report = "\n".join(
        [HEAD, *map(str, readings), "", f"{limited} a cgroup of {MEMORY_MB} MB.", ""]
    )
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    click.echo(report)
    sys.exit(any(reading.failures for reading in readings))


def _measure(attack: Attack, target: Target | None) -> Readings:
    """Attack a server, or one of our own: once more without a cgroup if it is killed."""
    if target:
        return measure(attack, target)
    with started(**attack.server) as own:
        readings = measure(attack, own)
    if own.is_limited and readings.killed_seconds is not None:
        with started(is_limited=False, **attack.server) as own:
            readings.peak_mb = measure(attack._replace(then_seconds=0), own).peak_mb
    return readings


if __name__ == "__main__":
    main()
