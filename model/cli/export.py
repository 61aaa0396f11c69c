"""``export``: a model in a form that runs without Loupe's server."""

from pathlib import Path

import click

from ..bundle import Bundle, get_bundle
from ..exporting.formats import FORMATS, export_model
from .options import FOLDER, NEW_FOLDER

__all__ = ["export_command"]

WEB = "web"


@click.command("export")
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@click.option(
    "--to",
    "target",
    type=click.Choice([WEB, *FORMATS]),
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
    "--photos",
    type=FOLDER,
    help="Photos to check with, up to 50 of them.  [the sample photos]",
)
@click.option("--int8", is_flag=True, help="tflite: also a file with 8-bit weights.")
def export_command(
    names: tuple[str, ...], target: str, folder: Path, photos: Path | None, int8: bool
) -> None:
    """Export the models NAME…: several only to the web, where the first opens."""
    bundles = [get_bundle(name) for name in dict.fromkeys(names)]
    if target == WEB:
        if photos or int8:
            raise click.UsageError("--photos and --int8 don't go with --to web.")
        _export_page(bundles, folder)
        return
    if len(bundles) > 1:
        raise click.UsageError(f"--to {target} takes one model.")
    if int8 and not FORMATS[target].int8:
        raise click.UsageError(f"--int8 doesn't go with --to {target}.")
    _export_model(bundles[0], target, folder, photos, int8)


def _export_page(bundles: list[Bundle], folder: Path) -> None:
    from ..exporting.web import export_web

    export = export_web(bundles, folder)
    models = ", ".join(f"{bundle.name} (version {bundle.version})" for bundle in bundles)
    total = sum(export.files.values())
    click.echo(f"{models} in {folder}")
    click.echo(
        f"{len(export.files)} files, {total / 1e6:,.1f} MB; a first visit loads "
        f"{export.first_visit_bytes / 1e6:,.1f} MB"
    )
    click.echo(f"Try it: python -m http.server --directory {folder}, then http://localhost:8000")


def _export_model(
    bundle: Bundle, target: str, folder: Path, photos: Path | None, int8: bool
) -> None:
    from ..exporting.downloads import keep_download

    export = export_model(bundle, target, folder, photos, int8=int8)
    total = sum(export.files.values())
    click.echo(f"{bundle.name} (version {bundle.version}) in {folder}")
    click.echo(f"{len(export.files)} files, {total / 1e6:,.1f} MB")
    for check in export.checks:
        click.echo(check)
    path = keep_download(bundle, target, folder, export.files)
    click.echo(f"The Models page offers it as a download; to take that back, delete {path}")
    click.echo(f"Try it: see {folder / 'README.md'}")
