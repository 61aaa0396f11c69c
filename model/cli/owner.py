"""The owner's commands: sign in to the workshop, corrections, backup and restore."""

import json
import secrets
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import DataError
from ..settings import settings
from ..text import count_of
from .terminal import FILE, ErrorGroup


@click.command("owner")
@click.option(
    "--url",
    default=lambda: str(settings().url or "http://localhost:8501"),
    help="The app's address; default: LOUPE_URL, else http://localhost:8501.",
)
@click.option("--revoke", is_flag=True, help="End all links and sign-ins instead.")
@click.option("--new-key", is_flag=True, help="Print a random LOUPE_OWNER_KEY instead.")
def owner_command(url: str, revoke: bool, new_key: bool) -> None:
    """Print a link that opens the owner's workshop, once, within 15 minutes."""
    from ..sign_ins import LINK_LIFETIME, sign_ins

    if new_key:
        click.echo(secrets.token_urlsafe(24))
        click.echo("Set LOUPE_OWNER_KEY to it and start the app again.", err=True)
    if revoke:
        count = sign_ins().revoke_all()
        click.echo(f"Signed out: {count_of(count, 'browser')}. All links are void.", err=new_key)
    if new_key or revoke:
        return
    click.echo(link_for(url))
    minutes = int(LINK_LIFETIME.total_seconds() // 60)
    click.echo(f"It works once, within {minutes} minutes. Whoever opens it is the owner.", err=True)


def link_for(url: str) -> str:
    """Return a new link for the app at an address."""
    from ..sign_ins import sign_ins

    return f"{url.rstrip('/')}/owner/{sign_ins().create_link()}"


MAX_ID = 2**31 - 1
"""Largest id that PostgreSQL's column holds."""


@click.group("corrections", cls=ErrorGroup)
def corrections_command() -> None:
    """List, delete or export visitors' corrections."""


@corrections_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def _list(as_json: bool) -> None:
    """List all corrections, oldest first."""
    from ..corrections import correction_store
    from ..corrections.store import WORDINGS

    corrections = correction_store().iter_corrections()
    if as_json:
        for correction in corrections:
            values = asdict(correction) | {"created": correction.created.isoformat()}
            click.echo(json.dumps(values, ensure_ascii=False))
        return
    table = Table("id", "saved (UTC)", "model", "answer", "label", "photo", "wording", box=None)
    for correction in corrections:
        table.add_row(
            str(correction.id),
            f"{correction.created:%Y-%m-%d %H:%M}",
            Text(correction.model),
            Text(correction.predicted or "none of these"),
            Text(correction.label),
            "yes" if correction.has_photo else "",
            {text: name for name, text in WORDINGS.items()}.get(correction.wording or ""),
        )
    Console().print(table)


@corrections_command.command("delete")
@click.argument("ids", type=click.IntRange(1, MAX_ID), nargs=-1, required=True, metavar="ID...")
def _delete(ids: tuple[int, ...]) -> None:
    """Delete corrections and their photos by the ids that `list` shows.

    Exits with 1 if there is no correction with one of the ids.
    """
    from ..corrections import correction_store

    missing = [number for number in dict.fromkeys(ids) if not correction_store().delete(number)]
    count = len(set(ids)) - len(missing)
    click.echo(f"{count_of(count, 'correction')} deleted")
    for number in missing:
        click.echo(f"no correction has the id {number}", err=True)
    sys.exit(1 if missing else 0)


@corrections_command.command("export")
@click.option("--force", is_flag=True, help="Replace FILE.zip if it exists.")
@click.argument("file", type=FILE, metavar="FILE.zip")
def _export(file: Path, force: bool) -> None:
    """Export all corrections to FILE.zip: one folder of photos per label, and corrections.csv."""
    from ..corrections import correction_store, export_corrections

    # Checked first, because opening the store creates the database.
    if file.exists() and not force:
        raise DataError(f"{file} exists and isn't replaced. Choose another name, or add --force.")
    count = export_corrections(correction_store(), file)
    click.echo(f"{count_of(count, 'correction')} in {file}")


@click.command("backup")
@click.option("--without", type=click.Choice(["photos"]), help="Leave the workshop's photos out.")
@click.option("--without-records", is_flag=True, help="Leave the corrections out.")
@click.argument("file", type=FILE, metavar="FILE.zip")
def backup_command(file: Path, without: str | None, without_records: bool) -> None:
    """Save models, training runs, photos and corrections to FILE.zip. The app may be running.

    Exits with 1 if something was left out that the app can't make again.
    """
    from ..backup import REMADE, back_up

    contents, left_out = back_up(file, corrections=not without_records, photos=not without)
    click.echo(f"{_summary(contents.models, contents.corrections)} in {file}")
    size = f"{count_of(len(contents.files), 'file')}, {file.stat().st_size / 1e6:,.1f} MB"
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
