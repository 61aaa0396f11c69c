"""Commands on the models that exist: list, show, verify, versions, publish, export."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..browser.device_files import make_ahead
from ..bundle import (
    Bundle,
    get_bundle,
    list_models,
    list_versions,
    open_version,
    read_small_card,
    roll_back,
)
from ..engines import available
from ..errors import BundleError, EngineUnavailable
from ..exporting.formats import FORMATS, export_models, keep_download
from ..settings import settings
from ..text import clean, warn_of_labels
from .terminal import FOLDER, NEW_FOLDER, format_share

FOLLOWING = "Each replica switches to it once its own checks have passed."


@click.command("list")
def list_command() -> None:
    """List the built-in models and those in the data folder."""
    # Only names wrap, because a long one would push the last column off an 80-column terminal.
    table = Table(box=None, pad_edge=False)
    for column in ("model", "labels", "accuracy", "size", "version", "engines"):
        table.add_column(column, no_wrap=column != "model", overflow="fold")
    errors = {}
    for name, bundle in list_models().items():
        if isinstance(bundle, BundleError):
            errors[name] = bundle
            continue
        accuracy = format_share(bundle.manifest.metric("accuracy"))
        size = f"{bundle.size / 1e6:.0f} MB"
        engines = ", ".join(available(bundle))
        cells = (name, f"{len(bundle.labels):,}", accuracy, size, bundle.version, engines)
        table.add_row(*map(Text, cells))
    Console().print(table)
    _print_errors(errors)


@click.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """Print the manifest of model NAME as JSON, with its version, folder and small graph."""
    bundle = get_bundle(name)
    small = read_small_card(bundle)
    values = {
        "version": bundle.version,
        "folder": str(bundle.folder),
        **bundle.manifest.model_dump(mode="json"),
        "small": small and small.model_dump(mode="json"),
    }
    click.echo(json.dumps(values, indent=1, ensure_ascii=False))


@click.command("verify")
@click.argument("name", required=False)
def verify_command(name: str | None) -> None:
    """Check the hashes of all files and run the golden test of every engine.

    Checks model NAME, or all models.
    """
    models = list_models()
    if name and name not in models:
        get_bundle(name)  # raises an error that lists the models
    errors = {}
    for model in [name] if name else models:
        try:
            click.echo(f"{model}: {_verify(get_bundle(model))}")
        except BundleError as error:
            errors[model] = error
    _print_errors(errors)
    sys.exit(1 if errors else 0)


def _verify(bundle: Bundle) -> str:
    from ..classifier import Classifier
    from ..engines import start

    bundle.verify()
    results = [f"{len(bundle.manifest.files)} files match their hashes"]
    for engine in bundle.manifest.engines:
        try:
            difference = Classifier(bundle, start(bundle, engine)).run_golden_test()
            results.append(f"{engine}: golden outputs match (max difference {difference:.1g})")
        except EngineUnavailable:
            results.append(f"{engine}: not checked (its packages aren't installed)")
    return "; ".join(filter(None, [*results, warn_of_labels(bundle.labels)]))


@click.command("versions")
@click.argument("name")
def versions_command(name: str) -> None:
    """List the versions of model NAME, the newest first."""
    table = Table(box=None)
    for column in ("", "version", "created (UTC)", "accuracy", "title"):
        table.add_column(column, no_wrap=column != "title")
    errors = {}
    for version in list_versions(name):
        if isinstance(version.bundle, BundleError):
            errors[version.version] = version.bundle
            accuracy, title = "can't be used", ""
        else:
            accuracy = format_share(version.bundle.manifest.metric("accuracy"))
            title = version.bundle.manifest.title
        state, created = "current" if version.current else "", f"{version.created:%Y-%m-%d %H:%M}"
        table.add_row(state, Text(version.version), created, accuracy, Text(clean(title)))
    Console().print(table)
    _print_errors(errors)


@click.command("rollback")
@click.argument("name")
@click.argument("version")
def rollback_command(name: str, version: str) -> None:
    """Make VERSION the current version of model NAME, once all its hashes match.

    A running app uses it for the next photo. With LOUPE_STORE, it becomes the current version
    of all replicas, if it was published before.
    """
    if settings().store:
        from ..model_store.publications import republish

        previous = republish(name, version)
        click.echo(f"{name} {version} is published again. {FOLLOWING}")
    else:
        previous = next((item.version for item in list_versions(name) if item.current), None)
        bundle = roll_back(name, version)
        make_ahead(bundle)
        click.echo(f"{name} is now {bundle.version} ({clean(bundle.manifest.title)}).")
    if previous and previous != version:
        click.echo(f"To undo: python -m model rollback {name} {previous}")


@click.command("publish")
@click.argument("name")
@click.argument("version", required=False)
def publish_command(name: str, version: str | None) -> None:
    """Make a version of model NAME, by default this machine's current one, current on all replicas.

    The files are copied to LOUPE_STORE. If that is another Loupe, it must already have them.
    """
    from ..model_store.publications import publish_version

    bundle = open_version(name, version) if version else get_bundle(name)
    click.echo(f"{name} {bundle.version}: {_verify(bundle)}")
    publish_version(bundle)
    click.echo(f"{name} {bundle.version} is published. {FOLLOWING}")


@click.command("published")
def published_command() -> None:
    """List all publications, the newest first, and mark the current versions."""
    from ..model_store.publications import open_publications

    table, names = Table("", "model", "version", "published (UTC)", box=None), set[str]()
    with open_publications() as publications:
        for row in publications.list_all():
            state = "" if row.name in names else "current"
            names.add(row.name)
            cells = (row.name, row.version, f"{row.published:%Y-%m-%d %H:%M}")
            table.add_row(state, *(Text(clean(cell), overflow="fold") for cell in cells))
    Console().print(table)


def _print_errors(errors: dict[str, BundleError]) -> None:
    for name, error in errors.items():
        click.echo(f"{name}: {error} [{error.code}]", err=True)


@click.command("export")
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@click.option(
    "--to",
    "target",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="web: a page for any static web server, which runs the models in browsers. Others: one "
    "model with a sample program, checked on photos.",
)
@click.option(
    "--out",
    "folder",
    type=NEW_FOLDER,
    required=True,
    help="Folder to write: a new one, or an earlier export, which is replaced.",
)
@click.option(
    "--photos", type=FOLDER, help="Photos to check with, up to 50 of them.  [the sample photos]"
)
@click.option("--int8", is_flag=True, help="tflite: also a file with 8-bit weights.")
def export_command(
    names: tuple[str, ...], target: str, folder: Path, photos: Path | None, int8: bool
) -> None:
    """Export the models NAME…: several only to the web, where the first opens."""
    format_ = FORMATS[target]
    bundles = [get_bundle(name) for name in dict.fromkeys(names)]
    if len(bundles) > 1 and not format_.is_page:
        raise click.UsageError(f"--to {target} takes one model.")
    for option, is_used in {
        "--int8": int8 and not format_.int8,
        "--photos": photos and format_.is_page,
    }.items():
        if is_used:
            raise click.UsageError(f"{option} doesn't go with --to {target}.")
    export = export_models(bundles, target, folder, photos, int8=int8)
    models = ", ".join(f"{bundle.name} (version {bundle.version})" for bundle in bundles)
    click.echo(f"{models} in {folder}")
    click.echo(f"{len(export.files)} files, {sum(export.files.values()) / 1e6:,.1f} MB")
    for check in export.checks:
        click.echo(check)
    if format_.is_page:
        step = f"python -m http.server --directory {folder}, then http://localhost:8000"
    else:
        path = keep_download(bundles[0], target, folder, export.files)
        click.echo(f"The Models page offers it as a download; to take that back, delete {path}")
        step = f"see {folder / 'README.md'}"
    click.echo(f"Try it: {step}")
