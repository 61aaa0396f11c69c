"""Errors at a terminal: one line and exit 2, never a traceback; Ctrl-C is exit 130."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import EngineUnavailable, LoupeError
from ..settings import settings
from ..storage.photo_files import printable

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
