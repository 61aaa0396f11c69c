"""``versions`` and ``rollback``."""

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..bundle import list_versions, roll_back
from ..errors import BundleError
from .models import accuracy

__all__ = ["rollback_command", "versions_command"]


@click.command("versions")
@click.argument("name")
def versions_command(name: str) -> None:
    """List the versions of the model NAME that stand beside each other, the newest first."""
    table = Table(box=None)
    for column in ("", "version", "made (UTC)", "accuracy", "title"):
        table.add_column(column, no_wrap=column != "title")
    refused = []
    for one in list_versions(name):
        if isinstance(one.bundle, BundleError):
            refused.append(f"{one.version}: {one.bundle}")
        whole = None if isinstance(one.bundle, BundleError) else one.bundle
        table.add_row(
            "current" if one.current else "",
            Text(one.version),
            f"{one.created:%Y-%m-%d %H:%M}",
            accuracy(whole) if whole else "refused",
            Text(whole.manifest.title if whole else ""),
        )
    Console().print(table)
    for line in refused:
        click.echo(f"refused: {line}", err=True)


@click.command("rollback")
@click.argument("name")
@click.argument("version")
def rollback_command(name: str, version: str) -> None:
    """Make VERSION the current one of the model NAME, once its files are as hashed.

    A running app answers with it from the next photo on.
    """
    former = next((one.version for one in list_versions(name) if one.current), None)
    bundle = roll_back(name, version)
    click.echo(f"{name} is now {bundle.version} ({bundle.manifest.title}).")
    if former and former != bundle.version:
        click.echo(f"Back again: python -m model rollback {name} {former}")
