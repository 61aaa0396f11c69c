"""``export``: a model in a form that runs without Loupe's server."""

from pathlib import Path

import click

from ..bundle import get_bundle
from ..exporting.downloads import keep_download
from ..exporting.formats import FORMATS, export_models
from .options import FOLDER, NEW_FOLDER


@click.command("export")
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@click.option(
    "--to",
    "target",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="web: a page for any static web server, which runs the models in browsers. Others: one "
    "model with a sample program, checked on photos.",
)
@click.option(
    "--out",
    "folder",
    type=NEW_FOLDER,
    required=True,
    help="Folder to write: a new one, or an earlier export, which is replaced.",
)
@click.option(
    "--photos", type=FOLDER, help="Photos to check with, up to 50 of them.  [the sample photos]"
)
@click.option("--int8", is_flag=True, help="tflite: also a file with 8-bit weights.")
def export_command(
    names: tuple[str, ...], target: str, folder: Path, photos: Path | None, int8: bool
) -> None:
    """Export the models NAME…: several only to the web, where the first opens."""
    format_ = FORMATS[target]
    bundles = [get_bundle(name) for name in dict.fromkeys(names)]
    if len(bundles) > 1 and not format_.is_page:
        raise click.UsageError(f"--to {target} takes one model.")
    for option, is_used in {
        "--int8": int8 and not format_.int8,
        "--photos": photos and format_.is_page,
    }.items():
        if is_used:
            raise click.UsageError(f"{option} doesn't go with --to {target}.")
    export = export_models(bundles, target, folder, photos, int8=int8)
    models = ", ".join(f"{bundle.name} (version {bundle.version})" for bundle in bundles)
    click.echo(f"{models} in {folder}")
    click.echo(f"{len(export.files)} files, {sum(export.files.values()) / 1e6:,.1f} MB")
    for check in export.checks:
        click.echo(check)
    if format_.is_page:
        step = f"python -m http.server --directory {folder}, then http://localhost:8000"
    else:
        path = keep_download(bundles[0], target, folder, export.files)
        click.echo(f"The Models page offers it as a download; to take that back, delete {path}")
        step = f"see {folder / 'README.md'}"
    click.echo(f"Try it: {step}")
