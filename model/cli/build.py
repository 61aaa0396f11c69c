"""``build``: build a built-in model."""

from pathlib import Path

import click

from ..settings import settings
from .error_group import require_full_install

__all__ = ["build_command"]


@click.command("build")
@click.argument("name", type=click.Choice(["imagenet"]))
@click.option(
    "--to",
    "models_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the model.  [the data folder's models]",
)
def build_command(name: str, models_dir: Path | None) -> None:
    """Build model NAME from published weights (needs requirements.txt)."""
    with require_full_install("Building"):
        from ..training.imagenet import build_imagenet
    click.echo(f"Building {name}…", err=True)
    bundle = build_imagenet(models_dir or settings().data / "models")
    click.echo(f"{bundle.name} {bundle.version} in {bundle.folder}")
