"""``doctor``: inspect a fastai export without loading it, and say whether it can be imported."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..errors import ExportRefused
from ..importing.inspect import ExportReport, Name, inspect_export
from ..importing.inspect.report import printable
from ..importing.weights_settings import OPTIONS
from ..text import format_size, list_some

__all__ = ["doctor_command"]

GROUPS = {
    "dangerous": "dangerous",
    "own": "own code",
    "other": "other code",
    "fastai": "fastai",
    "fastcore": "fastcore",
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "numpy": "NumPy",
    "pandas": "pandas",
    "packages": "other packages",
    "pathlib": "pathlib",
    "builtins": "built-ins",
    "python": "Python itself",
    "cloudpickle": "cloudpickle",
}
"""Groups of names, the most important first."""

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
    "pickle": "a bare pickle, not torch's",
    "safetensors": "safetensors",
}

INFERRED = {
    "fastai": "fastai",
    "torch": "torch",
    "numpy": "NumPy",
    "python": "Python",
    "system": "made on",
    "device": "trained on",
}

IN_FULL = ("dangerous", "own", "other")
"""Groups whose names are listed in full."""

MAX_NAMES_IN_FULL = 40
MAX_NAMES = 4
MAX_LABELS = 8
MAX_LEFT_BEHIND = 12


@click.command("doctor")
@click.argument("export", type=click.Path(path_type=Path), metavar="EXPORT.pkl")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor_command(export: Path, as_json: bool) -> None:
    """Show what a fastai export.pkl holds and whether it can be imported on this machine.

    Weights alone (.pth, .safetensors) are recognised, too.

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
        _print(export, report)
    sys.exit(1 if report.fatal else 0)


def _print(path: Path, report: ExportReport) -> None:
    console = Console(highlight=False)
    console.print(Text(printable(str(path)), style="bold"))
    console.print(_rows(_about(report)))
    if report.plan and not report.fatal:
        title = "What it holds" if report.kind == "weights" else "What an import does"
        console.print(Text(f"\n{title}", style="bold"))
        _print_lines(console, report.plan)
    if report.left_behind:
        console.print(Text("\nNot needed, so it stays behind", style="bold"))
        _print_lines(console, [list_some(report.left_behind, MAX_LEFT_BEHIND)])
    _print_problems(console, report)
    _print_next(console, path, report)
    if report.inferred and report.kind != "weights":
        console.print(Text("\nInferred from the file; may be wrong", style="bold"))
        rows = [(INFERRED[key], report.inferred[key]) for key in INFERRED if key in report.inferred]
        console.print(_rows(rows))
    if report.names:
        console.print(Text("\nNames in the file, none of them loaded", style="bold"))
        console.print(_rows(list(_names(report))))


def _print_lines(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(Padding(Text(line), (0, 0, 0, 2)))


def _rows(rows: list[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=14)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(f"  {name}"), Text(value))
    return table


def _about(report: ExportReport) -> list[tuple[str, str]]:
    size = format_size(report.bytes)
    rows = [
        ("kind", KINDS.get(report.kind, f"{report.kind} learner")),
        ("gives", TASKS[report.task]),
        ("network", report.library or "not recognised"),
        ("size", f"{size}, of which weights {format_size(report.weights_bytes)}"),
        ("written in", FORMATS[report.format]),
    ]
    if report.kind == "weights":
        rows = [row for row in rows if row[0] not in ("gives", "network")]
    if report.labels:
        first = ", ".join(report.labels[:MAX_LABELS])
        more = ", …" if len(report.labels) > MAX_LABELS else ""
        rows.insert(2, ("labels", f"{len(report.labels):,}: {first}{more}"))
    return rows


def _names(report: ExportReport) -> Iterator[tuple[str, str]]:
    for group, title in GROUPS.items():
        names = [name for name in report.names if name.group == group]
        if not names:
            continue
        if group in IN_FULL:
            listed = "\n".join(_described(name) for name in names[:MAX_NAMES_IN_FULL])
            more = (
                f"\nand {len(names) - MAX_NAMES_IN_FULL:,} more"
                if len(names) > MAX_NAMES_IN_FULL
                else ""
            )
            yield title, listed + more
        else:
            short = [name.name.rpartition(".")[2] or name.module for name in names]
            yield title, list_some(short, MAX_NAMES)


def _described(name: Name) -> str:
    details = [
        "in the network" if name.role == "network" else name.role,
        "its code is in the file" if name.carried else "",
    ]
    return f"{name.full}{'()' if name.called else ''} ({', '.join(filter(None, details))})"


def _print_problems(console: Console, report: ExportReport) -> None:
    for fatal, title in (
        (True, "\nWhat blocks an import"),
        (False, "\nNotes"),
    ):
        chosen = [problem for problem in report.problems if problem.fatal is fatal]
        if not chosen:
            continue
        console.print(Text(title, style="bold red" if fatal else "bold"))
        for problem in chosen:
            console.print(Padding(Text(f"{problem.message} [{problem.code}]"), (0, 0, 0, 2)))


def _print_next(console: Console, path: Path, report: ExportReport) -> None:
    if report.fatal:
        return
    command = f"python -m model import {shlex.quote(printable(str(path)))} --name NAME"
    if report.kind != "weights":
        console.print(Text("\nNothing blocks it. To import it:", style="bold"))
        console.print(Text(f"  {command}"), soft_wrap=True)
        return
    console.print(Text("\nTo import it, say what the file doesn't:", style="bold"))
    words = " ".join(f"{option} {option.strip('-').upper()}" for option in OPTIONS)
    console.print(Text(f"  {command} {words}"), soft_wrap=True)
    more = [
        ("--multilabel", "only if it was trained with several labels per photo"),
        (
            "--threshold",
            "with --multilabel: the probability from which a label is shown, if not 0.5",
        ),
    ]
    console.print(_rows([*OPTIONS.items(), *more]))
