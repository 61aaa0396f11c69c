"""``compare``: a new model against the old one, on the same photos."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from ..bundle import Bundle, get_bundle, open_version
from ..evaluation import Evaluation
from ..evaluation.doubts import doubt_of_folders
from ..evaluation.labelled_folders import UNRECORDED
from ..evaluation.paired import describe_difference
from ..evaluation.paired_evaluation import PairedEvaluation, evaluate_pair
from ..loading import load_bundle
from ..settings import settings
from ..text import escape
from .evaluate import format_share, print_failures, print_rows
from .options import FOLDER
from .progress_bar import StageProgress, progress_bar


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
        _print(figures)
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


def _print(figures: PairedEvaluation) -> None:
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
