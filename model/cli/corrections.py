"""The ``corrections`` command: visitors' corrections as a zip."""

from pathlib import Path

import click

__all__ = ["corrections_command"]


@click.command("corrections")
@click.option("--force", is_flag=True, help="Replace FILE.zip even if it is another kind of file.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.zip")
def corrections_command(file: Path, force: bool) -> None:
    """Export all corrections to FILE.zip: one folder of photos per label, and corrections.csv."""
    from ..corrections import correction_store, export_corrections, require_export

    if not force:
        # Before the store is opened, which creates the database.
        require_export(file)
    count = export_corrections(correction_store(), file, overwrite=force)
    click.echo(f"{count:,} {'correction' if count == 1 else 'corrections'} in {file}")
