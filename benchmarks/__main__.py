"""``python -m benchmarks [--quick] [NAME ...]``: measure, print a table, write JSON."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from .environment import describe
from .figures.first_visit import make_film
from .paths import RESULT, ROOT
from .registry import Benchmark, Figure, benchmarks
from .report import format_table, verdict, write_report

__all__ = ["main"]


@click.command()
@click.option("--quick", is_flag=True, help="Take few readings: a trial run, not to be quoted.")
@click.option(
    "--film",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a strip of pictures of a first visit into this folder, and measure nothing.",
)
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def main(names: tuple[str, ...], quick: bool, film: Path | None) -> None:
    """Measure the named figures, by default all of them; the beginning of a name names several.

    Exits with 1 if a figure misses its target or can't be measured.
    """
    known = benchmarks()
    if film:
        print(make_film(film))
        return
    chosen = [name for name in known if not names or name.startswith(names)]
    if unknown := [name for name in names if not any(entry.startswith(name) for entry in known)]:
        raise click.UsageError(f"No figure {unknown[0]!r}. Available: {', '.join(known)}.")
    environment = describe()
    figures = dict(_measure([known[name] for name in chosen], quick))
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
