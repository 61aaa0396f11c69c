"""``python -m benchmarks [--quick] [NAME ...]``: measure, print a table, write JSON."""

import sys
from collections.abc import Iterator

import click

from .environment import describe
from .paths import RESULT, ROOT
from .registry import Benchmark, Figure, benchmarks
from .report import format_table, verdict, write_report

__all__ = ["main"]


@click.command()
@click.option("--quick", is_flag=True, help="Take few readings: a trial run, not to be quoted.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def main(names: tuple[str, ...], quick: bool) -> None:
    """Measure the named figures, by default all of them.

    Exits with 1 if a figure misses its target or can't be measured.
    """
    known = benchmarks()
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"No figure {unknown[0]!r}. Available: {', '.join(known)}.")
    environment = describe()
    figures = dict(_measure([known[name] for name in names or known], quick))
    print(format_table(figures, known))
    print("\n" + ", ".join(f"{name} {value}" for name, value in environment.items()))
    if quick:
        print("\nQuick run: few readings, not to be quoted.")
    write_report(RESULT, figures, known, environment, quick=quick)
    print(f"\nWritten to {RESULT.relative_to(ROOT)}", file=sys.stderr)
    sys.exit(0 if all(figure.met for figure in figures.values()) else 1)


def _measure(entries: list[Benchmark], quick: bool) -> Iterator[tuple[str, Figure]]:
    for entry in entries:
        print(f"{entry.name} ...", end=" ", file=sys.stderr, flush=True)
        figure = entry.run(quick)
        print(verdict(figure), file=sys.stderr)
        yield entry.name, figure


if __name__ == "__main__":
    main()
