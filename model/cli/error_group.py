"""Refusals at a terminal: one line and exit 2, never a traceback."""

import sys
from pathlib import Path
from typing import Any

import click

from ..errors import LoupeError
from ..photo_files import printable

__all__ = ["ErrorGroup"]


class ErrorGroup(click.Group):
    """A group of commands that words what they refuse."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except LoupeError as error:
            click.echo(f"{error.code}: {error}", err=True)
            sys.exit(2)
        except BrokenPipeError:
            raise
        except OSError as error:
            # A full disk, a folder that may not be written to: nothing that code can mend.
            what = printable(Path(error.filename)) if error.filename else "A file"
            click.echo(f"file: {what}: {error.strerror or error}.", err=True)
            sys.exit(2)
