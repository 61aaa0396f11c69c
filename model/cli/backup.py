"""``backup`` and ``restore``."""

import sys
from pathlib import Path

import click

__all__ = ["backup_command", "restore_command"]

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("backup")
@click.option("--with-training", is_flag=True, help="Unfinished trainings, too: they are large.")
@click.option("--without-records", is_flag=True, help="Leave the corrections out.")
@click.argument("file", type=FILE, metavar="FILE.zip")
def backup_command(file: Path, with_training: bool, without_records: bool) -> None:
    """Save models and corrections into FILE.zip, while the app runs.

    Exits with 1 when something in the data folder was left out.
    """
    from ..backup import back_up

    saved = back_up(file, training=with_training, records=not without_records)
    click.echo(f"{_said(saved.contents.corrections, saved.contents.models)} in {file}")
    click.echo(f"{saved.bytes / 1e6:,.1f} MB; keep it private: visitors' photos may be in it.")
    for path in saved.left_out:
        click.echo(f"left out: {path}", err=True)
    sys.exit(1 if saved.left_out else 0)


@click.command("restore")
@click.option("--without-records", is_flag=True, help="Leave the present corrections as they are.")
@click.argument("file", type=FILE, metavar="FILE.zip")
def restore_command(file: Path, without_records: bool) -> None:
    """Put FILE.zip in the place of the data folder, once all of it is found whole.

    Stop the app first. The former data are kept in a folder beside, which is named.
    """
    from ..backup import restore

    done = restore(file, records=not without_records)
    said = _said(done.corrections, done.contents.models)
    click.echo(f"{said}, saved {done.contents.made:%Y-%m-%d %H:%M} UTC, are in {done.data}")
    if done.former:
        click.echo(f"The former data are in {done.former}: delete them once all is well.")


def _said(corrections: int | None, models: tuple[str, ...]) -> str:
    names = f" ({', '.join(models)})" if models else ""
    said = f"{len(models)} {'model' if len(models) == 1 else 'models'}{names}"
    if corrections is None:
        return f"{said}, no corrections,"
    return f"{said} and {corrections:,} {'correction' if corrections == 1 else 'corrections'}"
