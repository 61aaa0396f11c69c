"""``import``: a fastai export becomes a model."""

import sys
from pathlib import Path

import click

from ..disk import name_full_disk, require_writable
from ..exports import Export, examine
from ..settings import settings
from .error_group import require_full_install
from .train import warn_if_shadowing

__all__ = ["import_command"]

LISTED = 12
"""Labels and stand-ins that are listed before the rest is counted."""


@click.command("import")
@click.argument("export", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The model's name, for links and commands.")
@click.option(
    "--trust",
    is_flag=True,
    help="Run the file's code, in a process without secrets. Loading an export always does.",
)
@click.option(
    "--photos",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of photos to compare with fastai on; by default the samples.",
)
@click.option("--title", default="", help="What people read; by default the name.")
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

    Without --trust nothing is executed: the file is only looked at.
    """
    if not trust:
        _say(f"Reading {export.name} without running it ...")
        found = examine(export)
        _print_examined(found)
        if any(problem.fatal for problem in found.problems):
            click.echo("Nothing was imported, and --trust would not change that.", err=True)
            sys.exit(2)
        click.echo(
            "Nothing was imported. Loading an export runs code that the file names. If you know "
            "where it comes from, add --trust.",
            err=True,
        )
        sys.exit(2)
    with require_full_install("Importing"):
        from ..training.importing import import_export
    models_dir = settings().data / "models"
    require_writable(models_dir)
    with name_full_disk(models_dir):
        imported = import_export(
            export, name, title=title, licence=licence, photos=photos, say=_say
        )
    manifest = imported.bundle.manifest
    if imported.left_out:
        _say(
            f"{imported.left_out} photos were not compared: turned, transparent, or of a kind that "
            "fastai does not open."
        )
    if imported.stubs:
        click.echo(f"not installed, not needed: {_list(imported.stubs)}")
    click.echo(f"{imported.bundle.name} {imported.bundle.version} in {imported.bundle.folder}")
    click.echo(f"{len(manifest.labels)} labels: {_list(manifest.labels)}")
    click.echo(f"engines: {', '.join(manifest.engines)}")
    if manifest.multilabel:
        click.echo("not calibrated: Loupe calibrates models of one label a photo")
    else:
        click.echo(f"not calibrated: python -m model calibrate {name} FOLDER")
    warn_if_shadowing(imported.bundle)
    click.echo(f"see it: make run, or python -m model identify --model {name} PHOTO")
    sys.exit(0)


def _print_examined(found: Export) -> None:
    """Print the main findings; ``doctor`` prints all of them."""
    kind = "a file" if found.kind == "unknown" else f"a {found.kind} learner, {found.task}"
    click.echo(f"{found.file}: {kind}, {found.bytes:,} bytes")
    if found.labels:
        click.echo(f"{len(found.labels)} labels: {_list(found.labels)}")
    if found.inferred:
        click.echo("written by: " + ", ".join(f"{k} {v}" for k, v in found.inferred.items()))
    for problem in found.problems:
        mark = "stops an import" if problem.fatal else "note"
        click.echo(f"{mark}: {problem.code}: {problem.message}")


def _list(words: tuple[str, ...]) -> str:
    rest = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return ", ".join(words[:LISTED]) + rest


def _say(line: str) -> None:
    click.echo(line, err=True)
