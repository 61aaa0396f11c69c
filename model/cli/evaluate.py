"""``evaluate``: how good a model is on photos in one folder a label."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from ..classifier import load
from ..evaluation import Evaluation, Proportion, evaluate
from .identify import progress_bar

__all__ = ["evaluate_command"]

ROWS = 20
"""Labels and pairs that the tables show; ``--json`` has all."""


@click.command("evaluate")
@click.argument("name")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--engine", type=click.Choice(["compiled", "learner"]), help="By default compiled.")
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON object.")
def evaluate_command(name: str, folder: Path, engine: str | None, as_json: bool) -> None:
    """Measure the model NAME on FOLDER, which holds one folder of photos a label.

    Exits with 0 when all photos were read, 1 when some were refused.
    """
    classifier = load(name, engine)
    with progress_bar(shown=True) as bar:
        evaluation = evaluate(classifier, folder, _shown_by(bar))
    if as_json:
        click.echo(json.dumps(evaluation.to_dict(), indent=1, ensure_ascii=False))
    else:
        _print(evaluation)
    sys.exit(1 if evaluation.refused else 0)


def _shown_by(bar: Progress) -> Callable[[int, int], None]:
    task = bar.add_task("Evaluating", total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


def _print(evaluation: Evaluation) -> None:
    console = Console()
    console.print(_overall(evaluation))
    _print_table(console, _per_label(evaluation), "labels", len(evaluation.worst_first))
    if evaluation.mistakes:
        _print_table(console, _pairs(evaluation), "pairs", len(evaluation.mistakes))
    refused = [f"{one.photo}: {one.message} ({one.code})" for one in evaluation.refused]
    _print_list("folders left out, since no label has their name", evaluation.left_out)
    _print_list("photos refused", refused)


def _overall(evaluation: Evaluation) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("model", f"{evaluation.model} {evaluation.version}, {evaluation.engine}")
    table.add_row("photos", f"{evaluation.photos:,}")
    table.add_row("accuracy", _share(evaluation.accuracy))
    if evaluation.top5:
        table.add_row("top 5", _share(evaluation.top5))
    if evaluation.unknown.right:
        table.add_row("“none of these”", _share(evaluation.unknown))
        table.add_row("right as shown", _share(evaluation.answered))
    table.add_row("calibration error", f"{evaluation.calibration_error:.1%}")
    if evaluation.photos_per_second:
        table.add_row("photos a second", f"{evaluation.photos_per_second:.1f}")
    return table


def _per_label(evaluation: Evaluation) -> Table:
    as_shown = ", “none of these” counts as wrong" if evaluation.unknown.right else ""
    table = Table(f"label, worst first{as_shown}", box=None, padding=(0, 2, 0, 0))
    for heading in ("photos", "recall (95 %)", "precision", "F1"):
        table.add_column(heading, justify="right")
    for score in evaluation.worst_first[:ROWS]:
        table.add_row(
            Text(score.label),
            f"{score.support:,}",
            _share(score.recall),
            _percent(score.precision),
            _percent(score.f1),
        )
    return table


def _pairs(evaluation: Evaluation) -> Table:
    table = Table("is", "was called", box=None, padding=(0, 2, 0, 0))
    table.add_column("times", justify="right")
    for pair in evaluation.mistakes[:ROWS]:
        said = "none of these" if pair.predicted is None else pair.predicted
        table.add_row(Text(pair.label), Text(said), f"{pair.count:,}")
    return table


def _print_table(console: Console, table: Table, what: str, total: int) -> None:
    console.print()
    console.print(table)
    if total > ROWS:
        console.print(f"... and {total - ROWS:,} more {what} (--json has all)", style="dim")


def _print_list(heading: str, lines: Sequence[str]) -> None:
    if lines:
        click.echo(f"\n{heading} ({len(lines):,}):", err=True)
    for line in lines:
        click.echo(f"  {line}", err=True)


def _share(share: Proportion | None) -> str:
    if share is None:
        return "–"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
