"""``identify``: predict labels for photos, folders or standard input."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..answer.prediction import Prediction
from ..classifier import Classifier
from ..engine_info import SERVER_ENGINES
from ..errors import Busy, EngineUnavailable, LoupeError, PhotoError
from ..loading import load
from ..photo import MAX_BYTES
from ..settings import ROOT
from ..storage.photo_files import list_photos, map_ordered
from ..text import clean
from .terminal import progress_bar

SCALE = ROOT / "build" / "scale"
"""The environment that ``make scale`` makes, with the file ``.ready`` once all is installed."""


@click.command("identify")
@click.option("--model", "name", help="The model; by default LOUPE_MODEL.")
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="Number of labels."
)
@click.option("--engine", type=click.Choice(SERVER_ENGINES), help="Engine; by default compiled.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option(
    "--out",
    metavar="RESULTS",
    help="Write Parquet files to this folder or bucket, or continue there; PHOTO is then one "
    "folder, or a bucket as s3://, gs:// or abfs://BUCKET/PREFIX.",
)
@click.option("--shard", metavar="N/M", help="With --out: the share of machine N of M.")
@click.option("--ray", "cluster", metavar="CLUSTER", help="With --out: local, auto or HOST:PORT.")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|FOLDER|- ...")
def identify_command(
    name: str | None,
    top: int,
    engine: str | None,
    as_json: bool,
    out: str | None,
    shard: str | None,
    cluster: str | None,
    photos: tuple[str, ...],
) -> None:
    """Identify photos. A folder means every photo in it; - reads standard input.

    Exits with 0 if all photos were read, 1 if some couldn't be, 130 after Ctrl-C.
    """
    if (out, shard, cluster) != (None, None, None):
        if not out or as_json or not photos[0] or photos[1:]:
            raise click.UsageError(
                "--out takes one folder or bucket, and no --json; --shard and --ray need --out."
            )
        # Programs that read Parquet from a folder would stop at the photos in it.
        if Path(photos[0]).resolve().is_relative_to(Path(out).resolve()):
            raise click.UsageError(
                f"{out} holds the photos. Give --out another folder; it may be inside the archive."
            )
        _start_scale()
    classifier = load(name, engine)
    paths = [path for photo in photos for path in _expand(photo)]
    if not paths:
        raise click.UsageError("No photos found in the given paths.")
    has_folder = any(Path(photo).is_dir() for photo in photos if photo != "-")
    print_result = _print_json if as_json else _print_table
    results = map_ordered(lambda path: (path, _identify(classifier, path)), paths)
    done = rejected = 0
    try:
        with progress_bar(shown=has_folder) as bar, closing(results):
            for path, result in bar.track(results, len(paths), description="Identifying"):
                # Count first: Ctrl-C may come right after the line is printed.
                done += 1
                rejected += isinstance(result, LoupeError)
                print_result(path, result, top)
    finally:
        if len(paths) > 1:
            click.echo(_summary(done, rejected, len(paths)), err=True)
    sys.exit(1 if rejected else 0)


def _start_scale() -> NoReturn:
    """Replace this process by the same command of ``scale``, whose packages the app lacks."""
    python = SCALE / "bin" / "python" if (SCALE / ".ready").is_file() else Path(sys.executable)
    if python == Path(sys.executable) and not find_spec("s3fs"):
        raise EngineUnavailable("--out needs packages that aren't installed. Run: make scale")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [str(python), "-m", "scale", *sys.argv[1:]]
    os.execve(python, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606 - needs no shell


def _expand(photo: str) -> Iterator[str]:
    if photo != "-" and Path(photo).is_dir():
        yield from map(str, list_photos(Path(photo)))
    elif re.match("s3:|gs:|abfs:", photo) and not Path(photo).exists():
        raise click.UsageError("Photos in a bucket need --out RESULTS.")
    else:
        yield photo


def _identify(classifier: Classifier, path: str) -> Prediction | LoupeError:
    try:
        source = sys.stdin.buffer.read(MAX_BYTES + 1) if path == "-" else Path(path)
        return classifier.identify(source, timeout=None)
    except (PhotoError, Busy) as error:  # others, of LOUPE_API, would be the same for each photo
        return error


def _summary(done: int, rejected: int, total: int) -> str:
    parts = [f"{done - rejected:,} answered"]
    if rejected:
        parts.append(f"{rejected:,} couldn't be read")
    if done < total:
        parts.append(f"{total - done:,} not reached")
    return f"{total:,} photos: {', '.join(parts)}."


def _print_json(path: str, result: Prediction | LoupeError, top: int) -> None:
    if isinstance(result, LoupeError):
        error = {"code": result.code, "message": str(result)}
        line: dict[str, object] = {"photo": path, "error": error}
    else:
        line = result.to_dict(path, top)
    click.echo(json.dumps(line, ensure_ascii=False))


def _print_table(path: str, result: Prediction | LoupeError, top: int) -> None:
    console = Console()
    console.print(Text(path, style="bold"))
    if isinstance(result, LoupeError):
        console.print(Text(f"  couldn't be read ({result.code}): {result}"))
        return
    answer = result.answer
    if isinstance(answer, list):
        console.print(Text(f"  {', '.join(map(clean, answer)) or 'none of its labels; closest'}:"))
        top = max(top, len(answer))
    elif answer is None:
        console.print(Text("  none of the things this model knows; closest:"))
    elif result.prediction_set and len(result.prediction_set) > 1:
        labels = " or ".join(clean(candidate.label) for candidate in result.prediction_set)
        console.print(Text(f"  {labels}:"))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(justify="right")
    for candidate in result.top(top):
        table.add_row(f"{candidate.probability:.1%}", Text(clean(candidate.label)))
    console.print(table)
    total_ms = result.milliseconds.total if result.milliseconds else 0
    is_guess = not result.calibrated and not result.multilabel
    state = "percentages estimated" if result.estimated else "not calibrated"
    guess = f" ({state}: a best guess)" if is_guess else ""
    footer = f"  {total_ms:.0f} ms, {result.engine}, {result.model} {result.version}{guess}\n"
    console.print(Text(footer, style="dim"))
