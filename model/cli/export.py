"""``export``: a model in a form that runs without Loupe's server."""

from pathlib import Path

import click

from ..bundle import get_bundle

__all__ = ["export_command"]


@click.command("export")
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@click.option(
    "--to",
    type=click.Choice(["web"]),
    required=True,
    expose_value=False,
    help="web: a page for any static web server, which runs the models in browsers.",
)
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder to write: a new one, or an earlier export, which is replaced.",
)
def export_command(names: tuple[str, ...], folder: Path) -> None:
    """Export the models NAME…, of which the first opens."""
    from ..exporting.web import export_web

    bundles = [get_bundle(name) for name in dict.fromkeys(names)]
    export = export_web(bundles, folder)
    models = ", ".join(f"{bundle.name} (version {bundle.version})" for bundle in bundles)
    total = sum(export.files.values())
    click.echo(f"{models} in {folder}")
    click.echo(
        f"{len(export.files)} files, {total / 1e6:,.1f} MB; a first visit loads "
        f"{export.first_visit_bytes / 1e6:,.1f} MB"
    )
    click.echo(f"Try it: python -m http.server --directory {folder}, then http://localhost:8000")
