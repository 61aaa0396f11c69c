"""``build``: build a built-in model."""

from pathlib import Path

import click

from ..settings import settings
from .error_group import require_full_install
from .options import FOLDER, models_dir_option
from .progress import StageProgress, progress_bar

__all__ = ["build_command"]


@click.command("build")
@click.argument("name", type=click.Choice(["imagenet"]))
@models_dir_option
@click.option(
    "--photos",
    type=FOLDER,
    help="Photos from ImageNet named SYNSET_….JPEG, by which to estimate the temperature again.",
)
def build_command(name: str, models_dir: Path | None, photos: Path | None) -> None:
    """Build model NAME from published weights (needs requirements.txt)."""
    with require_full_install("Building"):
        from ..training.imagenet import build_imagenet
    click.echo(f"Building {name}…", err=True)
    if photos is None:
        click.echo(
            "The temperature isn't estimated again: that needs --photos, a folder of photos from "
            "ImageNet named SYNSET_….JPEG. The built-in model's is kept.",
            err=True,
        )
    with progress_bar() as bar:
        bundle = build_imagenet(
            models_dir or settings().data / "models", photos, StageProgress(bar).update
        )
    click.echo(f"{bundle.name} {bundle.version} in {bundle.folder}")
