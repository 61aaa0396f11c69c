"""The command line: ``list``, ``show``, ``write`` and ``check``."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from model.cli.error_group import ErrorGroup
from model.settings import ROOT

from .check import CheckResult, State, check_files
from .errors import DeployError
from .files import make_files, read_files, write_files
from .host import Host, Limits
from .hosts import get_host, hosts

__all__ = ["main"]


@click.group(cls=ErrorGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Choose a host for Loupe, write its files and check that they work."""


@main.command("list")
def list_command() -> None:
    """List the hosts: kind, memory, sleep, price."""
    table = Table(box=None)
    for column in ("host", "kind", "memory", "sleeps after", "price"):
        table.add_column(column, no_wrap=column != "price")
    for host in hosts().values():
        limits = host.limits
        table.add_row(
            Text(host.name),
            host.kind.value,
            f"{limits.memory_mb:,} MB",
            _format_sleep(limits) or ("when idle" if limits.stops_idle else "–"),
            Text(host.price),
        )
    Console().print(table)
    click.echo("\nMore about one: python -m deploy show HOST")


@main.command("show")
@click.argument("host")
def show_command(host: str) -> None:
    """Show HOST: limits, sources, steps, files."""
    chosen = get_host(host)
    click.echo(f"{chosen.title} ({chosen.kind})\n{chosen.summary}\n")
    source = chosen.find_source("price")
    click.echo(f"Price: {chosen.price}" + (f"  ({source.citation})" if source else "") + "\n")
    click.echo("Limits, set by these files:" if chosen.is_private else "Limits, as documented:")
    for fact, name in _list_limits(chosen.limits):
        source = chosen.find_source(name)
        click.echo(f"  {fact}" + (f"  ({source.citation})" if source else ""))
    for remark in chosen.remark_list:
        click.echo(f"  - {remark}")
    limit = chosen.max_instances_via
    click.echo(f"\nMax instances: 1, {f'set by {limit}' if limit else 'fixed by the host'}")
    click.echo(f"Sticky sessions: {chosen.sticky_sessions_via or 'not available'}")
    click.echo(f"Budget alert: {chosen.budget_alert}\n")
    click.echo("Steps:")
    for number, step in enumerate(chosen.step_list, 1):
        click.echo(f"  {number}. {step}")
    click.echo(f"\nFiles that `python -m deploy write {chosen.name}` makes:")
    for path in make_files(chosen):
        click.echo(f"  {path}")


@main.command("write")
@click.argument("host")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT,
    help="Folder to write to; by default the repository.",
)
@click.option("--force", is_flag=True, help="Replace files that differ.")
def write_command(host: str, folder: Path, force: bool) -> None:
    """Write the files of HOST.

    A file that exists and differs is kept unless --force is given.
    """
    chosen = get_host(host)
    for path, result in write_files(chosen, folder, force=force).items():
        click.echo(f"{path}: {result}")
    click.echo(f"\nNext steps: python -m deploy show {chosen.name}")


@main.command("check")
@click.argument("host", required=False)
@click.option("--all", "all_hosts", is_flag=True, help="Check every host.")
@click.option("--no-start", is_flag=True, help="Check the files only.")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=ROOT,
    help="Folder of its files; by default the repository.",
)
def check_command(host: str | None, all_hosts: bool, no_start: bool, folder: Path) -> None:
    """Check HOST: validate its files, then start the app as the host does.

    A file that is not in the folder is checked as `write` would make it. Exits with 1 if a check
    failed.
    """
    if bool(host) == all_hosts:
        raise click.UsageError("Name one host or use --all. See: python -m deploy list")
    failed = False
    for chosen in hosts().values() if all_hosts else [get_host(host or "")]:
        click.echo(f"{chosen.title} ({chosen.name})")
        for result in _check_host(chosen, folder, start=not no_start):
            click.echo(f"  {result.state:6}  {result.subject}: {result.message}")
            if result.state is State.FAILED:
                failed = True
                click.echo(f"          {result.fix}")
    sys.exit(1 if failed else 0)


def _check_host(host: Host, folder: Path, *, start: bool) -> Iterator[CheckResult]:
    generated = make_files(host)
    try:
        existing = read_files(host, folder)
    except DeployError as error:
        yield CheckResult("files", State.FAILED, str(error), "Write them again with --force.")
        return
    for path, text in generated.items():
        if path not in existing:
            message = f"not in {folder}: checked as `write` would make it"
        elif existing[path] == text:
            message = f"as `write` makes it, in {folder}"
        else:
            message = f"edited, in {folder}: differs from what `write` makes"
        yield CheckResult(path, State.NOTE, message)
    texts = generated | existing
    yield from check_files(host, texts)
    if start:
        from .startup import check_start

        yield from check_start(host, texts)


def _format_sleep(limits: Limits) -> str | None:
    minutes = limits.sleeps_minutes
    if minutes is None:
        return None
    return f"{minutes // 60} hours" if minutes >= 120 else f"{minutes} minutes"


def _list_limits(limits: Limits) -> list[tuple[str, str]]:
    """Return the documented limits, each with the name of its source."""
    facts = [
        ("memory: {:,} MB", limits.memory_mb, "memory_mb"),
        ("cores: {:g}", limits.cpu, "cpu"),
        ("sleeps without visitors after: {}", _format_sleep(limits), "sleeps_minutes"),
        ("without visitors: stops", limits.stops_idle, "stops_idle"),
        ("must start within: {} s", limits.start_seconds, "start_seconds"),
        ("largest request: {:g} MB", limits.body_mb, "body_mb"),
        ("longest request: {} s", limits.request_seconds, "request_seconds"),
        ("largest image: {:,} MB", limits.image_mb, "image_mb"),
        ("web socket cut after: {} minutes", limits.socket_minutes, "socket_minutes"),
        ("the data folder: kept", limits.keeps_files, "keeps_files"),
    ]
    return [(template.format(value), name) for template, value, name in facts if value]
