"""``python -m benchmarks [--quick] [NAME ...]``: measure and print a table."""

import sys

import click

from .environment import describe
from .figure import Figure, format_table
from .table import BENCHMARKS


@click.command()
@click.option("--quick", is_flag=True, help="Take few readings: a trial run, not to be quoted.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def main(names: tuple[str, ...], quick: bool) -> None:
    """Measure the named figures, by default all of them; the beginning of a name names several.

    Exits with 1 if a figure misses its goal or can't be measured.
    """
    known = [entry.name for entry in BENCHMARKS]
    if unknown := [name for name in names if not any(entry.startswith(name) for entry in known)]:
        raise click.UsageError(f"No figure {unknown[0]!r}. Available: {', '.join(known)}.")
    environment, figures = describe(), list[Figure]()
    for entry in BENCHMARKS:
        if not names or entry.name.startswith(names):
            print(f"{entry.name} ...", end=" ", file=sys.stderr, flush=True)
            figures.append(entry.run(quick))
            print(figures[-1].verdict, file=sys.stderr)
    print(format_table(figures))
    print("\n" + ", ".join(f"{name} {value}" for name, value in environment.items()))
    if quick:
        print("\nQuick run: few readings, not to be quoted.")
    sys.exit(0 if all(figure.verdict == "met" for figure in figures) else 1)


if __name__ == "__main__":
    main()
