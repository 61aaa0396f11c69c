"""``list``, ``show`` and ``verify``."""

import json
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..bundle import Bundle, get_bundle, list_models
from ..engines import available
from ..errors import BundleError, EngineUnavailable

__all__ = ["list_command", "show_command", "verify_command"]


@click.command("list")
def list_command() -> None:
    """List the models: those that ship and those in the data folder."""
    table = Table(box=None)
    for column in ("model", "labels", "accuracy", "size", "version", "engines"):
        table.add_column(column, no_wrap=column != "engines")
    refused = []
    for name, bundle in list_models().items():
        if isinstance(bundle, BundleError):
            refused.append(f"{name}: {bundle}")
            continue
        table.add_row(
            Text(name),
            f"{len(bundle.labels):,}",
            accuracy(bundle),
            f"{bundle.size / 1e6:.0f} MB",
            bundle.version,
            ", ".join(available(bundle)),
        )
    Console().print(table)
    for line in refused:
        click.echo(f"refused: {line}", err=True)


@click.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """Print a model's manifest as JSON, with its version and where it is."""
    bundle = get_bundle(name)
    values = {"version": bundle.version, "folder": str(bundle.folder)}
    click.echo(
        json.dumps(
            {**values, **bundle.manifest.model_dump(mode="json")}, indent=1, ensure_ascii=False
        )
    )


@click.command("verify")
@click.argument("name", required=False)
def verify_command(name: str | None) -> None:
    """Check every file's hash and every engine's golden answers, of one model or of all."""
    failed = False
    if name and name not in list_models():
        get_bundle(name)  # refuses, and says which models there are
    for found in [name] if name else list(list_models()):
        try:
            click.echo(f"{found}: {_verified(get_bundle(found))}")
        except BundleError as error:
            failed = True
            click.echo(f"{found}: refused: {error}", err=True)
    sys.exit(1 if failed else 0)


def _verified(bundle: Bundle) -> str:
    from ..classifier import Classifier
    from ..engines import start

    bundle.verify()
    said = [f"{len(bundle.manifest.files)} files as hashed"]
    for engine in bundle.manifest.engines:
        try:
            worst = Classifier(bundle, start(bundle, engine)).run_golden_test()
            said.append(f"{engine} gives the golden answers (within {worst:.1g})")
        except EngineUnavailable:
            said.append(f"{engine} not checked (its packages are not installed)")
    return "; ".join(said)


def accuracy(bundle: Bundle) -> str:
    """The accuracy with its interval, in per cent; a dash without one."""
    metric = bundle.manifest.metric("accuracy")
    if metric is None:
        return "–"
    return f"{metric.value:.1%} ({metric.low:.1%} to {metric.high:.1%})"
