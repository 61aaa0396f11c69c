"""``evaluate``, ``compare`` and ``calibrate``: measure models on photos in one folder per label."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..bundle import Bundle, get_bundle, open_version
from ..engine_info import SERVER_ENGINES
from ..evaluation import Evaluation, PhotoFailure, evaluate
from ..evaluation.labelled_folders import UNRECORDED, find_trained, labelled_photos
from ..evaluation.paired import (
    PairedEvaluation,
    describe_difference,
    doubt_of_folders,
    doubt_of_model,
    evaluate_pair,
)
from ..loading import default_model, load, load_bundle
from ..settings import settings
from ..storage.labelled_photos import name_folders
from ..text import clean, escape
from .terminal import (
    FOLDER,
    StageProgress,
    format_share,
    keep_option,
    progress_bar,
    require_full_install,
    unknown_option,
)
from .train import command_line, describe_small_graph, print_summary

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
        table.add_row("correct as displayed", format_share(evaluation.answered))
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


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


@click.command("compare")
@click.argument("old")
@click.argument("new")
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one JSON object.")
def compare_command(old: str, new: str, folder: Path, as_json: bool) -> None:
    """Compare model NEW with OLD on FOLDER, which holds one folder of held-out photos per label.

    OLD and NEW are NAME or NAME@VERSION, with the same labels. Says whether NEW may replace OLD.

    Exits with 0 if all photos could be read, 1 if some couldn't.
    """
    bundles = _open(old), _open(new)
    before, after = (load_bundle(bundle, settings().engine) for bundle in bundles)
    with progress_bar() as bar:
        figures = evaluate_pair(before, after, folder, StageProgress(bar))
    if as_json:
        click.echo(json.dumps(asdict(figures), indent=1, ensure_ascii=False))
    else:
        _print_comparison(figures)
    notes = [UNRECORDED] if any(bundle.training_photos is None for bundle in bundles) else []
    if figures.trained:
        notes.append(f"Left out, because a model was trained on them: {figures.trained:,} photos.")
    for line in filter(None, (*notes, doubt_of_folders(figures.left_out))):
        click.echo(f"\n{line}", err=True)
    print_failures(figures.old.refused)
    sys.exit(1 if figures.old.refused else 0)


def _open(reference: str) -> Bundle:
    """Open the current version of NAME, or the one of NAME@VERSION."""
    name, separator, version = reference.partition("@")
    return open_version(name, version) if separator else get_bundle(name)


def _print_comparison(figures: PairedEvaluation) -> None:
    verdict, table = figures.verdict, figures.table
    p_value = f"= {table.p_value:.2g}" if table.p_value >= 0.001 else "< 0.001"
    words = (verdict.headline, "", describe_difference(table), *verdict.reasons, *verdict.limits)
    click.echo("\n".join((*words, f"McNemar's exact test: p {p_value}.")))
    old_right = ("old right", table.both_right, table.only_old)
    old_wrong = ("old wrong", table.only_new, table.both_wrong)
    print_rows("photos", "new right", "new wrong", rows=(old_right, old_wrong))
    names = "model", "accuracy", "“none of these”", "calibration error"
    sides = _describe(figures.old), _describe(figures.new)
    print_rows("", "old", "new", rows=[*zip(names, *sides, strict=True)], names=3)
    labels = [
        (label, counts.photos, counts.old_right, counts.new_right, f"{counts.net:+}")
        for label, counts in sorted(figures.labels.items(), key=lambda item: item[1].net)
        if counts.photos
    ]
    print_rows("label, worst first", "photos", "old right", "new right", "change", rows=labels)
    changed = [(escape(item.photo), item.label, item.old, item.new) for item in figures.changed]
    print_rows("changed photo", "actual", "old", "new", rows=changed, names=4)


def _describe(side: Evaluation) -> tuple[str, ...]:
    shares = map(format_share, (side.accuracy, side.unknown))
    return f"{side.model} {side.version}", *shares, f"{side.calibration_error:.1%}"


@click.command("calibrate")
@click.argument("name")
@click.argument("folder", type=FOLDER)
@unknown_option
@click.option(
    "--coverage",
    type=click.FloatRange(0.5, 0.99),
    default=0.9,
    show_default=True,
    help="Target share of photos whose plausible labels hold the right one.",
)
@keep_option
@click.option(
    "--small",
    is_flag=True,
    help="Fit and measure only the small graph, which runs in browsers; the version stays. FOLDER "
    "holds the photos that the model was calibrated on.",
)
@click.option(
    "--reference",
    type=FOLDER,
    help="With --small: the photos that the model was trained on, if training calibrated it.",
)
def calibrate_command(
    name: str,
    folder: Path,
    unknown: tuple[str, ...],
    coverage: float,
    keep: bool,
    small: bool,
    reference: Path | None,
) -> None:
    """Calibrate the model NAME on FOLDER, which holds one folder of held-out photos per label.

    The result is a new version of the model; the previous one is kept for a rollback.
    """
    if reference and not small:
        raise click.UsageError("--reference is used with --small only.")
    bundle = get_bundle(name)
    with require_full_install("Calibrating"):
        from ..calibration import calibrate_bundle, calibrate_small_graph
    sets, first = name_folders(unknown), default_model()
    with progress_bar() as bar:
        stages, command = StageProgress(bar), command_line(name)
        if small:
            card = calibrate_small_graph(
                bundle, folder, sets, reference=reference, command=command, progress=stages
            )
            click.echo(describe_small_graph(card))
            return
        calibrated = calibrate_bundle(
            bundle, folder, sets, coverage=coverage, command=command, progress=stages
        )
    _, unmatched = labelled_photos(folder, bundle.labels)
    print_summary(calibrated, first, doubt_of_folders(unmatched), keep=keep or bool(unmatched))
