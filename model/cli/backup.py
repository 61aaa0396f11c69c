"""``backup`` and ``restore``."""

import sys
from pathlib import Path

import click

from ..text import count_of
from .options import FILE


@click.command("backup")
@click.option("--without-records", is_flag=True, help="Leave the corrections out.")
@click.argument("file", type=FILE, metavar="FILE.zip")
def backup_command(file: Path, without_records: bool) -> None:
    """Save models, training runs and corrections into FILE.zip, while the app runs.

    Exits with 1 if something was left out that the app can't make again.
    """
    from ..backup import REMADE, back_up

    contents, left_out = back_up(file, corrections=not without_records)
    click.echo(f"{_summary(contents.models, contents.corrections)} in {file}")
    size = f"{file.stat().st_size / 1e6:,.1f} MB"
    click.echo(f"{size}. Keep it private: it may contain visitors' photos.")
    missing = [item for item in left_out if item not in REMADE]
    if remade := [item for item in left_out if item in REMADE]:
        click.echo(f"Left out, because the app makes it again: {', '.join(remade)}.")
    for item in missing:
        click.echo(f"left out: {item}", err=True)
    sys.exit(1 if missing else 0)


@click.command("restore")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A new or empty folder. Default: the data folder, if it is empty.",
)
@click.option("--without-records", is_flag=True, help="Leave the corrections out.")
@click.argument("file", type=FILE, metavar="FILE.zip")
def restore_command(file: Path, folder: Path | None, without_records: bool) -> None:
    """Unpack FILE.zip into a new folder, every file checked against its hash.

    Nothing is overwritten. Set LOUPE_DATA to the folder and start the app.
    """
    from ..backup import restore
    from ..settings import settings

    data = settings().data.absolute()
    folder = (folder or data).absolute()
    contents = restore(file, folder, corrections=not without_records)
    summary = _summary(contents.models, contents.corrections)
    click.echo(f"{summary}, saved {contents.made:%Y-%m-%d %H:%M} UTC, restored into {folder}")
    if folder != data:
        click.echo(f"To use it, start the app with LOUPE_DATA={folder}")
    if contents.corrections and settings().database.get_secret_value():
        click.echo("The app won't see these corrections while LOUPE_DATABASE is set.", err=True)


def _summary(models: tuple[str, ...], corrections: int | None) -> str:
    names = f" ({', '.join(models)})" if models else ""
    summary = f"{count_of(len(models), 'model')}{names}"
    if corrections is None:
        return f"{summary}, no corrections"
    return f"{summary} and {count_of(corrections, 'correction')}"
