"""``corrections``: what visitors said, as a zip."""

from pathlib import Path

import click

__all__ = ["corrections_command"]


@click.command("corrections")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.zip")
def corrections_command(file: Path) -> None:
    """Export all corrections into FILE.zip: photos in a folder a label, and corrections.csv."""
    from ..corrections import correction_store

    count = correction_store().export(file)
    click.echo(f"{count:,} {'correction' if count == 1 else 'corrections'} in {file}")
