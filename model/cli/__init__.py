"""The command line, with one module per group of commands.

To add a command, add it to a module of this package and to ``COMMANDS``.
"""

from importlib import import_module

import click

from .terminal import ErrorGroup

__all__ = ["main"]

COMMANDS = {
    "list": "models",
    "show": "models",
    "verify": "models",
    "versions": "models",
    "rollback": "models",
    "publish": "models",
    "published": "models",
    "build": "train",
    "import": "importing",
    "export": "models",
    "doctor": "importing",
    "train": "train",
    "runs": "train",
    "teach": "teach",
    "calibrate": "evaluate",
    "identify": "identify",
    "evaluate": "evaluate",
    "compare": "evaluate",
    "corrections": "owner",
    "owner": "owner",
    "backup": "owner",
    "restore": "owner",
}


class Commands(ErrorGroup):
    """Group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Manage Loupe's models, identify photos and measure accuracy."""
