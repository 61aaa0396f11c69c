"""``python -m benchmarks [--quick] [NAME ...]``: measure, and print a Markdown table."""

import sys

import click

from .environment import describe
from .figure import HEADS
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
    environment, verdicts = describe(), list[str]()
    _print_row(HEADS)
    print("|---|---|---:|---:|---|---|")
    for entry in BENCHMARKS:
        if not names or entry.name.startswith(names):
            row = entry.run(quick)
            verdicts.append(row[HEADS.index("")])
            _print_row(row)
    print("\n" + ", ".join(f"{name} {value}" for name, value in environment.items()))
    if quick:
        print("\nQuick run: few readings, not to be quoted.")
    sys.exit(0 if set(verdicts) == {"met"} else 1)


def _print_row(cells: list[str]) -> None:
    print("|", " | ".join(cell.replace("|", "\\|") for cell in cells), "|", flush=True)


if __name__ == "__main__":
    main()
