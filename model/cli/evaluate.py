"""``evaluate``: measure a model on photos in one folder per label."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..bundle import Bundle
from ..engine_info import SERVER_ENGINES
from ..evaluation import Evaluation, Proportion, evaluate
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
    console = Console()
    console.print(_overall(evaluation))
    _print_table(console, _per_label(evaluation), "labels", len(evaluation.worst_first))
    if evaluation.mistakes:
        _print_table(console, _mistake_pairs(evaluation), "pairs", len(evaluation.mistakes))
    failures = [f"{item.photo}: {item.message} ({item.code})" for item in evaluation.refused]
    _print_list("photos that couldn't be read", failures)


def _overall(evaluation: Evaluation) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("model", f"{evaluation.model} {evaluation.version}, {evaluation.engine}")
    table.add_row("photos", f"{evaluation.photos:,}")
    table.add_row("accuracy", _proportion(evaluation.accuracy))
    if evaluation.top5:
        table.add_row("top 5", _proportion(evaluation.top5))
    if evaluation.unknown.right:
        table.add_row("“none of these”", _proportion(evaluation.unknown))
        table.add_row("right as shown", _proportion(evaluation.answered))
    table.add_row("calibration error", f"{evaluation.calibration_error:.1%}")
    if evaluation.photos_per_second:
        table.add_row("photos per second", f"{evaluation.photos_per_second:.1f}")
    return table


def _per_label(evaluation: Evaluation) -> Table:
    suffix = ", “none of these” counts as wrong" if evaluation.unknown.right else ""
    table = Table(f"label, worst first{suffix}", box=None, padding=(0, 2, 0, 0))
    for heading in ("photos", "recall (95% CI)", "precision", "F1"):
        table.add_column(heading, justify="right")
    for score in evaluation.worst_first[:MAX_ROWS]:
        table.add_row(
            Text(clean(score.label)),
            f"{score.support:,}",
            _proportion(score.recall),
            _percent(score.precision),
            _percent(score.f1),
        )
    return table


def _mistake_pairs(evaluation: Evaluation) -> Table:
    table = Table("actual", "predicted", box=None, padding=(0, 2, 0, 0))
    table.add_column("photos", justify="right")
    for pair in evaluation.mistakes[:MAX_ROWS]:
        predicted = "none of these" if pair.predicted is None else clean(pair.predicted)
        table.add_row(Text(clean(pair.label)), Text(predicted), f"{pair.count:,}")
    return table


def _print_table(console: Console, table: Table, rows: str, total: int) -> None:
    console.print()
    console.print(table)
    if total > MAX_ROWS:
        console.print(f"… and {total - MAX_ROWS:,} more {rows} (all in --json)", style="dim")


def _print_list(heading: str, lines: Sequence[str]) -> None:
    if lines:
        click.echo(f"\n{heading} ({len(lines):,}):", err=True)
    for line in lines:
        click.echo(f"  {line}", err=True)


def _proportion(proportion: Proportion | None) -> str:
    if proportion is None:
        return "–"
    low, high = 100 * proportion.low, 100 * proportion.high
    return f"{proportion.value:.1%} ({low:.1f}–{high:.1f}%)"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
