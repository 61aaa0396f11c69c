"""``build``: build a built-in model."""

from pathlib import Path

import click

from ..settings import settings
from .error_group import require_full_install
from .options import models_dir_option

__all__ = ["build_command"]


@click.command("build")
@click.argument("name", type=click.Choice(["imagenet"]))
@models_dir_option
def build_command(name: str, models_dir: Path | None) -> None:
    """Build model NAME from published weights (needs requirements.txt)."""
    with require_full_install("Building"):
        from ..training.imagenet import build_imagenet
    click.echo(f"Building {name}…", err=True)
    bundle = build_imagenet(models_dir or settings().data / "models")
    click.echo(f"{bundle.name} {bundle.version} in {bundle.folder}")
