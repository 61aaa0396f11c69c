"""``identify``: answers for photos, folders, or standard input."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..classifier import Classifier, load
from ..errors import LoupeError
from ..photo import MAX_BYTES
from ..photo_files import list_photos, map_ordered
from ..prediction import Prediction
from .progress import progress_bar

__all__ = ["identify_command"]

Answer = tuple[str, Prediction | LoupeError]


@click.command("identify")
@click.option("--model", "name", help="The model; by default LOUPE_MODEL.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Labels to give.")
@click.option("--engine", type=click.Choice(["compiled", "learner"]), help="By default compiled.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|FOLDER|- ...")
def identify_command(
    name: str | None, top: int, engine: str | None, as_json: bool, photos: tuple[str, ...]
) -> None:
    """Say what is on photos. A folder stands for all photos in it, - for standard input.

    Exits with 0 when all photos were read, 1 when some were refused.
    """
    classifier = load(name, engine)
    found = [path for photo in photos for path in _expanded(photo)]
    if not found:
        raise click.UsageError("There is no photo in what was named.")
    answers = map_ordered(lambda photo: (photo, _answer(classifier, photo)), found)
    many = any(Path(photo).is_dir() for photo in photos if photo != "-")
    refused = 0
    with progress_bar(shown=many) as bar:
        for photo, answer in bar.track(answers, total=len(found), description="Identifying"):
            refused += isinstance(answer, LoupeError)
            _print_json(photo, answer, top) if as_json else _print_table(photo, answer, top)
    sys.exit(1 if refused else 0)


def _expanded(photo: str) -> Iterator[str]:
    if photo != "-" and Path(photo).is_dir():
        yield from map(str, list_photos(Path(photo)))
    else:
        yield photo


def _answer(classifier: Classifier, photo: str) -> Prediction | LoupeError:
    try:
        source = sys.stdin.buffer.read(MAX_BYTES + 1) if photo == "-" else Path(photo)
        return classifier.identify(source, timeout=None)
    except LoupeError as error:
        return error


def _print_json(photo: str, answer: Prediction | LoupeError, top: int) -> None:
    if isinstance(answer, LoupeError):
        line: dict[str, object] = {
            "photo": photo,
            "error": {"code": answer.code, "message": str(answer)},
        }
    else:
        line = answer.to_dict(photo, top)
    click.echo(json.dumps(line, ensure_ascii=False))


def _print_table(photo: str, answer: Prediction | LoupeError, top: int) -> None:
    console = Console()
    console.print(Text(photo, style="bold"))
    if isinstance(answer, LoupeError):
        console.print(Text(f"  refused ({answer.code}): {answer}"))
        return
    if answer.in_distribution is False:
        console.print(Text("  none of the things that this model knows; the nearest:"))
    elif answer.prediction_set and len(answer.prediction_set) > 1:
        names = " or ".join(candidate.label for candidate in answer.prediction_set)
        console.print(Text(f"  {names}:"))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(justify="right")
    for candidate in answer.top(top):
        table.add_row(f"{candidate.probability:.1%}", Text(candidate.label))
    console.print(table)
    console.print(
        Text(
            f"  {answer.milliseconds.total if answer.milliseconds else 0:.0f} ms, {answer.engine}, "
            f"{answer.model} {answer.version}"
            f"{'' if answer.calibrated else ' (not calibrated: a best guess)'}\n",
            style="dim",
        )
    )
