"""``evaluate``: measure a model on photos in one folder per label."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..bundle import Bundle
from ..engine_info import SERVER_ENGINES
from ..evaluation import Evaluation, PhotoFailure, Proportion, evaluate
from ..evaluation.doubts import doubt_of_folders, doubt_of_model
from ..evaluation.labelled_folders import UNRECORDED, find_trained, labelled_photos
from ..loading import load
from ..text import clean
from .options import FOLDER
from .progress_bar import StageProgress, progress_bar

MAX_ROWS = 20
"""Most rows of a table; ``--json`` prints all."""


@click.command("evaluate")
@click.argument("name")
@click.argument("folder", type=FOLDER)
@click.option("--engine", type=click.Choice(SERVER_ENGINES), help="Engine to run.  [compiled]")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one JSON object.")
def evaluate_command(name: str, folder: Path, engine: str | None, as_json: bool) -> None:
    """Measure the model NAME on FOLDER, which holds one folder of photos per label.

    Exits with 0 if all photos could be read, 1 if some couldn't.
    """
    classifier = load(name, engine)
    with progress_bar() as bar:
        evaluation = evaluate(classifier, folder, StageProgress(bar))
    click.echo(_describe_trained(classifier.bundle, folder), err=True, nl=False)
    if as_json:
        click.echo(json.dumps(evaluation.to_dict(), indent=1, ensure_ascii=False))
    else:
        _print(evaluation)
    doubt = doubt_of_model(classifier.bundle.manifest, evaluation.accuracy)
    for line in filter(None, (doubt_of_folders(evaluation.left_out), doubt)):
        click.echo(f"\n{line}", err=True)
    sys.exit(1 if evaluation.refused else 0)


def _describe_trained(bundle: Bundle, folder: Path) -> str:
    """Return a line on photos that the model was trained on; empty if there are none."""
    photos, _ = labelled_photos(folder, bundle.labels)
    trained = find_trained(bundle, [path for path, _ in photos])
    if trained is None:
        return f"{UNRECORDED}\n"
    if not trained:
        return ""
    return (
        f"The model was trained on {len(trained):,} of these {len(photos):,} photos, so it is "
        "right more often on them than on new ones.\n"
    )


def _print(evaluation: Evaluation) -> None:
    Console().print(_overall(evaluation))
    note = ", “none of these” counts as wrong" if evaluation.unknown.right else ""
    rows = [
        (row.label, row.support, format_share(row.recall), *map(_percent, (row.precision, row.f1)))
        for row in evaluation.worst_first
    ]
    columns = f"label, worst first{note}", "photos", "recall (95% CI)", "precision", "F1"
    print_rows(*columns, rows=rows)
    mistakes = [
        (pair.label, pair.predicted or "none of these", pair.count) for pair in evaluation.mistakes
    ]
    print_rows("actual", "predicted", "photos", rows=mistakes, names=2)
    print_failures(evaluation.refused)


def _overall(evaluation: Evaluation) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("model", f"{evaluation.model} {evaluation.version}, {evaluation.engine}")
    table.add_row("photos", f"{evaluation.photos:,}")
    table.add_row("accuracy", format_share(evaluation.accuracy))
    if evaluation.top5:
        table.add_row("top 5", format_share(evaluation.top5))
    if evaluation.unknown.right:
        table.add_row("“none of these”", format_share(evaluation.unknown))
        table.add_row("right as shown", format_share(evaluation.answered))
    table.add_row("calibration error", f"{evaluation.calibration_error:.1%}")
    if evaluation.photos_per_second:
        table.add_row("photos per second", f"{evaluation.photos_per_second:.1f}")
    return table


def print_rows(*headings: str, rows: Sequence[tuple[object, ...]], names: int = 1) -> None:
    """Print a table, the first ``names`` columns left-aligned; nothing without rows."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column, heading in enumerate(headings):
        justify: Literal["left", "right"] = "left" if column < names else "right"
        table.add_column(heading, justify=justify, overflow="fold")
    for row in rows[:MAX_ROWS]:
        cells = (f"{cell:,}" if isinstance(cell, int) else clean(str(cell)) for cell in row)
        table.add_row(*map(Text, cells))
    if rows:
        Console().print("", table)
    if len(rows) > MAX_ROWS:
        click.echo(f"… and {len(rows) - MAX_ROWS:,} more (all in --json)")


def print_failures(failures: Sequence[PhotoFailure]) -> None:
    """Print the photos that could not be read to standard error, with the reasons."""
    if failures:
        click.echo(f"\nphotos that couldn't be read ({len(failures):,}):", err=True)
    for item in failures:
        click.echo(f"  {item.photo}: {item.message} ({item.code})", err=True)


def format_share(proportion: Proportion | None) -> str:
    """Return a proportion with its 95% interval; a dash without one."""
    if proportion is None:
        return "–"
    low, high = 100 * proportion.low, 100 * proportion.high
    return f"{proportion.value:.1%} ({low:.1f}–{high:.1f}%)"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
