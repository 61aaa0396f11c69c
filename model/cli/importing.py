"""``import``: turn a fastai export into a model."""

import sys
from pathlib import Path

import click

from ..bundle import check_name
from ..disk import name_full_disk, require_writable
from ..exports import Export, examine
from ..settings import settings
from ..text import list_some
from .error_group import require_full_install
from .train import print_next_step, warn_if_shadowing

__all__ = ["import_command"]

MAX_LISTED = 12
"""Most labels or placeholders that are listed; the others are counted."""


@click.command("import")
@click.argument("export", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The model's name, for links and commands.")
@click.option(
    "--trust",
    is_flag=True,
    help="Run the file's code, in a process without secrets. Loading an export always runs it.",
)
@click.option(
    "--photos",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of photos to compare with fastai on; by default the samples.",
)
@click.option("--title", default="", help="The title on screen; default: the name as words.")
@click.option(
    "--licence",
    "--license",
    "licence",
    default="",
    help="The model's licence; by default 'not stated'.",
)
def import_command(
    export: Path, name: str, trust: bool, photos: Path | None, title: str, licence: str
) -> None:
    """Import EXPORT, a file that learn.export() wrote.

    Without --trust nothing in the file is run: it is only inspected.
    """
    check_name(name)
    if not trust:
        _print_note(f"Reading {export.name} without running it…")
        report = examine(export)
        _print_report(report)
        if any(problem.fatal for problem in report.problems):
            click.echo("Nothing was imported, and --trust wouldn't change that.", err=True)
            sys.exit(2)
        click.echo(
            "Nothing was imported. Loading an export runs code that the file names. Add --trust "
            "only if you trust its author.",
            err=True,
        )
        sys.exit(2)
    with require_full_install("Importing"):
        from ..training.importing import import_export
    models_dir = settings().data / "models"
    require_writable(models_dir)
    with name_full_disk(models_dir):
        imported = import_export(
            export, name, title=title, licence=licence, photos=photos, say=_print_note
        )
    manifest = imported.bundle.manifest
    if imported.left_out:
        _print_note(
            f"{imported.left_out} photos weren't compared: they are rotated, transparent, or in a "
            "format that fastai can't open."
        )
    if imported.stubs:
        click.echo(f"not installed, not needed: {list_some(imported.stubs, MAX_LISTED)}")
    click.echo(f"{imported.bundle.name} {imported.bundle.version} in {imported.bundle.folder}")
    click.echo(f"{len(manifest.labels)} labels: {list_some(manifest.labels, MAX_LISTED)}")
    click.echo(f"engines: {', '.join(manifest.engines)}")
    if manifest.multilabel:
        click.echo("not calibrated: only single-label models can be")
    else:
        click.echo(f"not calibrated: python -m model calibrate {name} FOLDER")
    warn_if_shadowing(imported.bundle)
    print_next_step(imported.bundle)


def _print_report(report: Export) -> None:
    """Print the main findings; ``doctor`` prints all of them."""
    kind = "a file" if report.kind == "unknown" else f"a {report.kind} learner, {report.task}"
    click.echo(f"{report.file}: {kind}, {report.bytes:,} bytes")
    if report.labels:
        click.echo(f"{len(report.labels)} labels: {list_some(report.labels, MAX_LISTED)}")
    if report.inferred:
        click.echo("written by: " + ", ".join(f"{k} {v}" for k, v in report.inferred.items()))
    for problem in report.problems:
        mark = "stops an import" if problem.fatal else "note"
        click.echo(f"{mark}: {problem.code}: {problem.message}")


def _print_note(line: str) -> None:
    click.echo(line, err=True)
