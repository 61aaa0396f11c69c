"""Helpers of all commands: errors in one line, common options, progress bars.

An error exits with 2 and never prints a traceback; Ctrl-C exits with 130. Progress bars are drawn
on standard error, and only on a terminal.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress as ProgressBar
from rich.progress import TaskID, TimeElapsedColumn

from ..errors import EngineUnavailable, LoupeError
from ..events import Progress
from ..settings import settings
from ..storage.photo_files import printable

if TYPE_CHECKING:
    from ..bundle import Metric
    from ..evaluation import Proportion

ADVICE = {
    errno.ENOSPC: "Free some disk space, or set LOUPE_DATA to a folder on another disk.",
    errno.EACCES: "Choose a folder that you can write to.",
    errno.EPERM: "Choose a folder that you can write to.",
    errno.EROFS: "Choose a folder that you can write to.",
}


class ErrorGroup(click.Group):
    """Group whose commands print errors in Click's own form, with the error's code."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print each command with its full first sentence, which Click would shorten."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(200)) for name, command in commands if command]
            )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        use_utf8()
        try:
            return super().invoke(ctx)
        except LoupeError as error:
            click.echo(f"Error: {error} [{error.code}]", err=True)
            sys.exit(2)
        except BrokenPipeError:
            raise
        except OSError as error:
            click.echo(f"Error: {_describe(error)} [file]", err=True)
            sys.exit(2)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Stopped.", err=True)
            sys.exit(130)


def use_utf8() -> None:
    """Print UTF-8 into files and pipes on Windows, whose code page lacks most characters."""
    for stream in (sys.stdout, sys.stderr):
        if os.name == "nt" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")


def _describe(error: OSError) -> str:
    """Return the file or folder, the problem with it, and what to do."""
    # A failed write names no file, but almost every write goes to the data folder.
    path = Path(error.filename) if error.filename else settings().data
    advice = ADVICE.get(error.errno or 0, "")
    return f"{printable(path)}: {error.strerror or error}. {advice}".rstrip()


@contextmanager
def require_full_install(task: str, packages: str = "-r requirements.txt") -> Iterator[None]:
    """Turn a failed import into an error with the command that installs the ``packages``.

    Raises:
        EngineUnavailable: a package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise EngineUnavailable(
            f"{task} needs {error.name}, which isn't installed. Run pip install {packages}"
        ) from error


FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)

unknown_option = click.option(
    "--unknown",
    multiple=True,
    metavar="[NAME=]FOLDER",
    help="A folder of photos that show none of the labels, to measure “none of these” with, and "
    "what visitors read as its name. Repeatable.",
)

keep_option = click.option("--keep", is_flag=True, help="Keep the model that visitors see first.")

models_dir_option = click.option(
    "--to",
    "models_dir",
    type=NEW_FOLDER,
    help="Folder for the model; default: the data folder's models.",
)


def format_share(share: "Metric | Proportion | None") -> str:
    """Return a proportion with its 95% interval; a dash if it was not measured."""
    if share is None:
        return "–"
    return f"{share.value:.1%} ({100 * share.low:.1f}–{share.high:.1%})"


def progress_bar(*, shown: bool = True) -> ProgressBar:
    """Return a bar with the time left and the time taken, for use as a context manager."""
    console = Console(stderr=True)
    is_shown = shown and console.is_terminal
    columns = (*ProgressBar.get_default_columns(), TimeElapsedColumn())
    return ProgressBar(*columns, console=console, transient=True, disable=not is_shown)


class StageProgress(Progress):
    """Progress bar that shows one stage at a time, with notes above it.

    Args:
        bar: drawn on a terminal.
        numbering: put before each stage, with its number for ``{}``. Where no bar is drawn, a
            stage with a number is a line.
    """

    def __init__(self, bar: ProgressBar, numbering: str = "") -> None:
        self.bar, self.numbering = bar, numbering
        self.stage, self.task = "", TaskID(0)
        self.numbers: dict[str, int] = {}

    def note(self, text: str) -> None:
        """Print a line."""
        click.echo(text, err=True)

    def update(self, stage: str, done: int, total: int) -> None:
        """Show how many steps of a stage are done, in place of the last stage."""
        if stage != self.stage:
            if self.stage:
                self.bar.remove_task(self.task)
            self.stage, title = stage, stage
            if self.numbering:
                number = self.numbers.setdefault(stage, len(self.numbers) + 1)
                title = f"{self.numbering.format(number)} {stage}"
                if self.bar.disable:
                    self.note(title)
            # Without a total the bar moves, but has no end.
            self.task = self.bar.add_task(title, total=total or None)
        if total:
            self.bar.update(self.task, completed=done, total=total)
