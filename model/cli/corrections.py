"""The ``corrections`` commands: list, delete and export what visitors corrected."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import DataError
from ..text import count_of
from .error_group import ErrorGroup
from .options import FILE

MAX_ID = 2**31 - 1
"""Largest id that PostgreSQL's column holds."""


class _ExportByDefault(ErrorGroup):
    """Group in which ``corrections FILE``, the earlier form, means ``corrections export FILE``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["export", *args]
        return super().parse_args(ctx, args)


@click.group("corrections", cls=_ExportByDefault)
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
