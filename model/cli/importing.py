"""``import``: turn an export, weights or a ``.loupe`` file into a model; ``doctor``: inspect it."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..bundle import Bundle
from ..errors import DataError, ExportRefused
from ..evaluation.labelled_folders import labelled_photos
from ..importing.inspect import ExportReport, inspect_export, printable
from ..importing.inspect.weights import OPTIONS, WeightsSettings
from ..loading import default_model
from ..settings import settings
from ..storage.disk import require_writable, translate_disk_errors
from ..text import clean, count_of, format_size, list_some
from .terminal import FOLDER, StageProgress, keep_option, progress_bar, require_full_install

MAX_LISTED = 12
"""Most labels that are listed; the others are counted."""


def _weights_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe weights alone."""
    for option, takes in reversed(OPTIONS.items()):
        command = click.option(option, default="", help=f"Weights alone: {takes}.")(command)
    return command


@click.command("import")
@click.argument("export", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The model's name, for links and commands.")
@click.option(
    "--trust",
    is_flag=True,
    help="Run the network's own code if the file needs that, in a process without the secrets in "
    "your environment. It can reach your files.",
)
@click.option(
    "--photos",
    type=FOLDER,
    help="A folder of photos to compare with fastai on; by default the samples.",
)
@click.option(
    "--samples",
    is_flag=True,
    help="Show visitors up to five of the --photos, one per label, to try the model with. The "
    "folder has one folder per label.",
)
@_weights_options
@click.option(
    "--multilabel", is_flag=True, help="Weights alone: several labels per photo (sigmoid)."
)
@click.option(
    "--threshold",
    type=float,
    help="Weights alone: with --multilabel, the lowest probability that shows a label; "
    "default: 0.5.",
)
@click.option("--title", default="", help="The title on screen; default: the name as words.")
@click.option(
    "--licence",
    "--license",
    "licence",
    default="",
    help="The model's licence; by default 'not stated'.",
)
@keep_option
def import_command(
    export: Path,
    name: str,
    trust: bool,
    photos: Path | None,
    samples: bool,
    title: str,
    licence: str,
    keep: bool,
    multilabel: bool,
    threshold: float | None,
    **stated: str,
) -> None:
    """Import EXPORT, a file that learn.export() wrote, or a NAME.loupe that Teach saved.

    Nothing in the file is run: it is read, and its network is built of known layers.

    EXPORT may also be weights alone (.pth of learn.save() or a state_dict, .safetensors). Then
    --arch, --labels, --size, --method and --normalize say what the file doesn't.
    """
    # The command doctor needs none of these.
    from .teach import SUFFIX, import_loupe
    from .train import print_summary

    if export.suffix.lower() == SUFFIX:
        if any((trust, photos, samples, multilabel, threshold, *stated.values())):
            raise click.UsageError("A .loupe file takes only --name, --title, --licence, --keep.")
        import_loupe(export, name, title, licence, keep=keep)
        return
    with require_full_install("Importing"):
        from ..importing.convert.importer import STAGES, import_export
    weights = WeightsSettings.from_options(
        {f"--{option}": value for option, value in stated.items()},
        multilabel=multilabel,
        threshold=threshold,
    )
    if samples and photos is None:
        raise click.UsageError("--samples takes them from the --photos. Name their folder.")
    models_dir, first = settings().data / "models", default_model()
    require_writable(models_dir)
    with translate_disk_errors(models_dir), progress_bar() as bar:
        stages = StageProgress(bar, f"{{}}/{len(STAGES)}")
        imported = import_export(
            export,
            name,
            trust=trust,
            title=title,
            licence=licence,
            photos=photos,
            weights=weights,
            progress=stages,
        )
        if samples and photos:
            stages.note(_add_samples(imported.bundle, photos))
    if trust and not imported.report.needs_trust:
        stages.note("--trust wasn't needed: nothing in the file was run.")
    for finding in imported.report.problems:
        if not finding.fatal:
            stages.note(f"Note: {finding.message}")
    if imported.skipped:
        stages.note(
            f"{imported.skipped} photos weren't compared: they are rotated, transparent, or in a "
            "format that fastai can't open."
        )
    manifest = imported.bundle.manifest
    labels = list_some([clean(label) for label in manifest.labels], MAX_LISTED)
    details = [
        f"{count_of(len(manifest.labels), 'label')}: {labels}",
        f"engines: {', '.join(manifest.engines)}",
    ]
    if manifest.threshold is not None:
        details.append(f"labels are shown if their probability is {manifest.threshold:g} or more")
    print_summary(imported.bundle, first, *details, keep=keep)


def _add_samples(bundle: Bundle, folder: Path) -> str:
    """Show photos of a folder as samples; if that fails, the model stays imported."""
    try:
        photos, _ = labelled_photos(folder, bundle.labels)
    except DataError as error:
        return f"No samples: {error}"
    from ..evaluation.held_out import add_samples

    return add_samples(bundle, photos)


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

MAX_LABELS = 8
MAX_LEFT_BEHIND = 12


@click.command("doctor")
@click.argument("export", type=click.Path(path_type=Path), metavar="EXPORT.pkl")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor_command(export: Path, as_json: bool) -> None:
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
        _print(export, report)
    sys.exit(1 if report.fatal else 0)


def _print(path: Path, report: ExportReport) -> None:
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
