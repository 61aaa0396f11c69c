"""``doctor``: inspect a fastai export without loading it, and say whether it can be imported."""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..errors import ExportRefused
from ..exports import Export, Name, examine
from ..exports.report import shown
from ..text import list_some

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

FORMATS = {
    "zip": "torch's zip format",
    "legacy": "torch's old format, from before torch 1.6",
    "pickle": "a bare pickle, not torch's",
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


@click.command("doctor")
@click.argument("export", type=click.Path(path_type=Path), metavar="EXPORT.pkl")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor_command(export: Path, as_json: bool) -> None:
    """Show what a fastai export.pkl holds and whether it can be imported on this machine.

    The file is read, never loaded: nothing in it is run. Exits with 0 if it can be imported,
    1 if an import would fail or be unsafe, 2 if the file is not an export or can't be read.
    """
    try:
        report = examine(export)
    except ExportRefused as error:
        if not as_json:
            raise
        refusal = {"code": error.code, "message": str(error)}
        click.echo(json.dumps({"file": shown(export.name), "error": refusal}, ensure_ascii=False))
        sys.exit(2)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=1, ensure_ascii=False))
    else:
        _print(export, report)
    sys.exit(1 if report.fatal else 0)


def _print(path: Path, export: Export) -> None:
    console = Console(highlight=False)
    console.print(Text(shown(str(path)), style="bold"))
    console.print(_rows(_about(export)))
    if export.inferred:
        console.print(Text("\nInferred from the file; may be wrong", style="bold"))
        rows = [(INFERRED[key], export.inferred[key]) for key in INFERRED if key in export.inferred]
        console.print(_rows(rows))
    console.print(Text("\nNames it would load (those it calls are marked with ())", style="bold"))
    console.print(_rows(list(_names(export))))
    _print_problems(console, export)
    _print_next(console, path, export)


def _rows(rows: list[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=14)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(f"  {name}"), Text(value))
    return table


def _about(export: Export) -> list[tuple[str, str]]:
    kind = "not recognised" if export.kind == "unknown" else f"{export.kind} learner"
    rows = [
        ("kind", kind),
        ("gives", TASKS[export.task]),
        ("network", export.library or "not recognised"),
        ("size", f"{_size(export.bytes)}, of which weights {_size(export.weights_bytes)}"),
        ("written in", FORMATS[export.format]),
    ]
    if export.labels:
        first = ", ".join(export.labels[:MAX_LABELS])
        more = ", …" if len(export.labels) > MAX_LABELS else ""
        rows.insert(2, ("labels", f"{len(export.labels):,}: {first}{more}"))
    return rows


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def _names(export: Export) -> Iterator[tuple[str, str]]:
    for group, title in GROUPS.items():
        names = [name for name in export.names if name.group == group]
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


def _print_problems(console: Console, export: Export) -> None:
    for fatal, title in (
        (True, "\nBlocking: an import would fail or be unsafe"),
        (False, "\nNotes"),
    ):
        chosen = [problem for problem in export.problems if problem.fatal is fatal]
        if not chosen:
            continue
        console.print(Text(title, style="bold red" if fatal else "bold"))
        for problem in chosen:
            console.print(Padding(Text(f"{problem.message} [{problem.code}]"), (0, 0, 0, 2)))


def _print_next(console: Console, path: Path, export: Export) -> None:
    if not export.fatal:
        console.print(Text("\nNo problems found. To import it:", style="bold"))
        command = f"python -m model import {shlex.quote(shown(str(path)))} --name NAME --trust"
        console.print(Text(f"  {command}"), soft_wrap=True)
    console.print(
        Text(
            "\nThis doesn't prove the file is safe. Importing runs code from it, so use --trust "
            "only for authors you trust.",
            style="dim",
        )
    )
