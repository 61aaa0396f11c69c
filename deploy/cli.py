"""The command line: ``list``, ``show``, ``write`` and ``check``."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from model.cli.error_group import ErrorGroup
from model.settings import ROOT

from .check.checking import CheckResult, State, check_files, check_limits, duration
from .errors import DeployError
from .files import files, found, write
from .host import Host, Limits
from .hosts import get_host, hosts

__all__ = ["main"]


@click.group(cls=ErrorGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Bring Loupe to a host: choose one, write its files, check that they work."""


@main.command("list")
def list_command() -> None:
    """List the hosts: class, memory, sleep, price."""
    table = Table(box=None)
    for column in ("host", "class", "memory", "sleeps after", "price"):
        table.add_column(column, no_wrap=column != "price")
    for host in hosts().values():
        table.add_row(
            Text(host.name),
            host.kind.value,
            _memory(host.limits),
            _sleep(host.limits),
            Text(host.price),
        )
    Console().print(table)
    click.echo("\nMore of one: python -m deploy show HOST")


@main.command("show")
@click.argument("host")
def show_command(host: str) -> None:
    """Show HOST: limits, sources, steps, files."""
    one = get_host(host)
    click.echo(f"{one.title} ({one.kind})\n{one.summary}\n")
    paid = one.sources.get("price")
    click.echo(f"Price: {one.price}" + (f"  ({paid.cited})" if paid else "") + "\n")
    click.echo("Limits, set by these files:" if one.own_server else "Limits, as documented:")
    for what, said, name in _facts(one.limits):
        click.echo(f"  {what}: {said}  ({one.sources[name].cited})")
    for remark in one.remarks:
        click.echo(f"  - {remark}")
    click.echo(f"\nAt most one instance: {one.bounded_by or 'it cannot become more'}")
    alone = "there is no such setting" if one.bounded_by else "it is the only one"
    click.echo(f"A visitor stays with one: {one.affinity_by or alone}")
    click.echo(f"Budget alert: {one.budget_alert}\n")
    click.echo("Steps:")
    for number, step in enumerate(one.steps, 1):
        click.echo(f"  {number}. {step}")
    click.echo(f"\nFiles that `python -m deploy write {one.name}` makes:")
    for path in files(one):
        click.echo(f"  {path}")


@main.command("write")
@click.argument("host")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT,
    help="Where to; by default the repository.",
)
@click.option("--force", is_flag=True, help="Replace files that say something else.")
def write_command(host: str, folder: Path, force: bool) -> None:
    """Write the files of HOST.

    One that is there and differs is kept unless --force is given.
    """
    one = get_host(host)
    for path, state in write(one, folder, force=force).items():
        click.echo(f"{path}: {state}")
    click.echo(f"\nThe steps: python -m deploy show {one.name}")


@main.command("check")
@click.argument("host", required=False)
@click.option("--all", "every", is_flag=True, help="Check every host.")
@click.option("--no-start", is_flag=True, help="Only the files and the limits.")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=ROOT,
    help="Where its files lie; by default the repository.",
)
def check_command(host: str | None, every: bool, no_start: bool, folder: Path) -> None:
    """Check HOST: its files, its limits, and the app started as there.

    The files are those that lie in the folder; what is not there is checked as `write` would
    make it. Exits with 1 when something failed.
    """
    if bool(host) == every:
        raise click.UsageError("Name one host, or give --all. See: python -m deploy list")
    failed = False
    for one in hosts().values() if every else [get_host(host or "")]:
        click.echo(f"{one.title} ({one.name})")
        failed |= _print(_lines(one, folder, start=not no_start))
    sys.exit(1 if failed else 0)


def _lines(host: Host, folder: Path, *, start: bool) -> Iterable[CheckResult]:
    try:
        there = found(host, folder)
    except DeployError as error:
        yield CheckResult("files", State.FAILED, str(error), "Write them again, with --force.")
        return
    made = files(host) | there
    yield from _whose(host, there, folder)
    yield from check_files(host, made)
    yield from check_limits(host)
    if start:
        from .check.running import check_start
        from .check.starting import start_of

        try:
            begin = start_of(host, made)
        except DeployError as error:
            yield CheckResult("start", State.FAILED, str(error), "Mend the file that it names.")
            return
        yield from check_start(host, begin)


def _whose(host: Host, there: Mapping[str, str], folder: Path) -> Iterable[CheckResult]:
    """Which files are checked: those that lie there, or those that would be written."""
    for path, text in files(host).items():
        if path not in there:
            said = f"not in {folder}: checked as `write` would make it"
        elif there[path] == text:
            said = f"as `write` makes it, in {folder}"
        else:
            said = f"yours, in {folder}: not as `write` would make it"
        yield CheckResult(path, State.NOTE, said)


def _print(lines: Iterable[CheckResult]) -> bool:
    """Each line as it comes; whether one failed."""
    failed = False
    for line in lines:
        click.echo(f"  {line.state:6}  {line.what}: {line.said}")
        if line.state is State.FAILED:
            failed = True
            click.echo(f"          {line.todo}")
    return failed


def _memory(limits: Limits) -> str:
    return "–" if limits.memory_mb is None else f"{limits.memory_mb:,} MB"


def _sleep(limits: Limits) -> str:
    if limits.sleeps_minutes is not None:
        return duration(limits.sleeps_minutes)
    return "when idle" if limits.stops_idle else "–"


def _facts(limits: Limits) -> list[tuple[str, str, str]]:
    """The limits that are known: what, how much, the name of the source."""
    sleep = limits.sleeps_minutes and duration(limits.sleeps_minutes)
    told = [
        ("memory", limits.memory_mb, "{:,} MB", "memory_mb"),
        ("cores", limits.cpu, "{:g}", "cpu"),
        ("sleeps without visitors after", sleep, "{}", "sleeps_minutes"),
        ("must start within", limits.start_seconds, "{} s", "start_seconds"),
        ("largest request", limits.body_mb, "{:g} MB", "body_mb"),
        ("longest request", limits.request_seconds, "{} s", "request_seconds"),
        ("largest image", limits.image_mb, "{:,} MB", "image_mb"),
        ("web socket cut after", limits.socket_minutes, "{} minutes", "socket_minutes"),
    ]
    known = [(what, form.format(value), name) for what, value, form, name in told if value]
    if limits.stops_idle:
        known.append(("without visitors", "it stops", "stops_idle"))
    if limits.keeps_files:
        known.append(("the data folder", "is kept", "keeps_files"))
    return known
