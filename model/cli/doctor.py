"""``doctor``: inspect a fastai export without loading it, and list what blocks an import."""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..errors import ExportRefused
from ..importing.inspect import ExportReport, inspect_export
from ..importing.inspect.export_report import printable
from ..importing.inspect.weights import OPTIONS
from ..text import format_size, list_some

TASKS = {
    "single-label": "one label per photo",
    "multi-label": "several labels per photo",
    "segmentation": "a mask per photo (segmentation)",
    "regression": "numbers or points (regression)",
    "boxes": "boxes (object detection)",
    "unknown": "not recognised",
}

KINDS = {"unknown": "not recognised", "weights": "weights alone"}

FORMATS = {
    "zip": "torch's zip format",
    "legacy": "torch's old format, from before torch 1.6",
    "safetensors": "safetensors",
}

MAX_NAMES = 400
MAX_LABELS = 8
MAX_LEFT_BEHIND = 12


@click.command("doctor")
@click.argument("export", type=click.Path(path_type=Path), metavar="EXPORT.pkl")
@click.option("--names", is_flag=True, help="Also list the classes and functions it refers to.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor_command(export: Path, names: bool, as_json: bool) -> None:
    """Show what a fastai export.pkl holds and whether it can be imported on this machine.

    Weights alone (.pth, .safetensors) are recognised as well.

    The file is read, never loaded: nothing in it is run. Exits with 0 if it can be imported,
    1 if something blocks that, 2 if the file is not an export or can't be read.
    """
    try:
        report = inspect_export(export)
    except ExportRefused as error:
        if not as_json:
            raise
        refusal = {"code": error.code, "message": str(error)}
        click.echo(
            json.dumps({"file": printable(export.name), "error": refusal}, ensure_ascii=False)
        )
        sys.exit(2)
    if as_json:
        click.echo(report.to_json())
    else:
        _print(export, report, with_names=names)
    sys.exit(1 if report.fatal else 0)


def _print(path: Path, report: ExportReport, *, with_names: bool) -> None:
    console = Console(highlight=False)
    console.print(Text(printable(str(path)), style="bold"))
    console.print(_rows(_about(report)))
    if not report.fatal:
        title = "What it holds" if report.kind == "weights" else "What an import does"
        _print_section(console, title, report.plan)
    if report.left_behind:
        left_behind = list_some(report.left_behind, MAX_LEFT_BEHIND)
        _print_section(console, "Not needed, so it stays behind", [left_behind])
    fatal, notes = (
        [f"{item.message} [{item.code}]" for item in report.problems if item.fatal is is_fatal]
        for is_fatal in (True, False)
    )
    _print_section(console, "Notes", notes)
    if with_names and report.names:
        title = "Names in the file, none of them loaded"
        _print_section(console, title, [list_some(sorted(report.names), MAX_NAMES)])
    _print_section(console, "What blocks an import", fatal, style="bold red")
    if not report.fatal:
        _print_next(console, path, report)


def _print_section(console: Console, title: str, lines: Sequence[str], style: str = "bold") -> None:
    if lines:
        console.print(Text(f"\n{title}", style=style))
    for line in lines:
        console.print(Padding(Text(line), (0, 0, 0, 2)))


def _rows(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=14)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(f"  {name}"), Text(value))
    return table


def _about(report: ExportReport) -> list[tuple[str, str]]:
    size = f"{format_size(report.bytes)}, of which weights {format_size(report.weights_bytes)}"
    rows = [("kind", KINDS.get(report.kind, f"{report.kind} learner"))]
    if report.kind == "vision":
        rows.append(("gives", TASKS[report.task]))
    if report.labels:
        first = ", ".join(report.labels[:MAX_LABELS])
        more = ", …" if len(report.labels) > MAX_LABELS else ""
        rows.append(("labels", f"{len(report.labels):,}: {first}{more}"))
    return [*rows, ("size", size), ("written in", FORMATS[report.format])]


def _print_next(console: Console, path: Path, report: ExportReport) -> None:
    command = f"python -m model import {shlex.quote(printable(str(path)))} --name NAME"
    if report.kind != "weights":
        console.print(Text("\nNothing blocks it. To import it:", style="bold"))
        console.print(Text(f"  {command}"), soft_wrap=True)
        return
    console.print(Text("\nTo import it, say what the file doesn't:", style="bold"))
    words = " ".join(f"{option} {option.strip('-').upper()}" for option in OPTIONS)
    console.print(Text(f"  {command} {words}"), soft_wrap=True)
    threshold = "with --multilabel: the probability from which a label is shown, if not 0.5"
    optional = [
        ("--multilabel", "only if it was trained with several labels per photo"),
        ("--threshold", threshold),
    ]
    console.print(_rows([*OPTIONS.items(), *optional]))
