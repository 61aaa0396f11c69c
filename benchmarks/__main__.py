"""``python -m benchmarks [--quick] [NAME ...]``: measure, print a table, write JSON."""

import sys
from collections.abc import Iterator

import click

from .machine import describe
from .places import RESULT, ROOT
from .registry import Benchmark, Figure, benchmarks
from .report import table, verdict, write

__all__ = ["main"]


@click.command()
@click.option("--quick", is_flag=True, help="Few readings: to try it, not to quote.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def main(names: tuple[str, ...], quick: bool) -> None:
    """Measure the figures of those names, by default all of them.

    Exits with 1 when one was missed or could not be measured.
    """
    known = benchmarks()
    if strange := [name for name in names if name not in known]:
        raise click.UsageError(f"No figure {strange[0]!r}. There are: {', '.join(known)}.")
    machine = describe()
    found = dict(_measured([known[name] for name in names or known], quick))
    print(table(found, known))
    print("\n" + ", ".join(f"{name} {value}" for name, value in machine.items()))
    if quick:
        print("\nQuick: few readings, not to be quoted.")
    write(RESULT, found, known, machine, quick=quick)
    print(f"\nWritten to {RESULT.relative_to(ROOT)}", file=sys.stderr)
    sys.exit(0 if all(figure.met for figure in found.values()) else 1)


def _measured(wanted: list[Benchmark], quick: bool) -> Iterator[tuple[str, Figure]]:
    for entry in wanted:
        print(f"{entry.name} ...", end=" ", file=sys.stderr, flush=True)
        figure = entry.run(quick)
        print(verdict(figure), file=sys.stderr)
        yield entry.name, figure


if __name__ == "__main__":
    main()
