"""The command line, a file a group of commands.

To add a command: a module here and its name in ``COMMANDS``.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ..errors import LoupeError
from ..folder import printable

__all__ = ["main"]

COMMANDS = {
    "list": "models",
    "show": "models",
    "verify": "models",
    "versions": "versions",
    "rollback": "versions",
    "build": "build",
    "import": "importing",
    "doctor": "doctor",
    "train": "train",
    "calibrate": "calibrate",
    "identify": "identify",
    "evaluate": "evaluate",
    "corrections": "corrections",
    "backup": "backup",
    "restore": "backup",
}


class Commands(click.Group):
    """Imports a command's module when it is called, and words refusals."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run; a refusal is one line and exit 2, never a traceback."""
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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Loupe's models: look at them, identify photos, measure."""
