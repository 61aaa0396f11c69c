"""The command line: ``list``, ``show``, ``write`` and ``check``."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from model.cli.error_group import ErrorGroup
from model.settings import ROOT

from .check import CheckResult, State, check_files, check_placeholders
from .errors import DeployError
from .files import default_folder, make_files, read_files, write_files
from .host import ARCHIVE, Host, Limits
from .hosts import get_host, hosts
from .package import check_offered, choose_models, list_other_models
from .placeholders import find_repository, parse_assignments
from .record import is_as_written, read_record
from .spec import APP, AppSpec

__all__ = ["main"]

MODEL_HELP = "A model to deploy, the first of which opens; by default the one that opens here."
SET_HELP = "What to put for a placeholder, such as REGION=europe-west1."


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
            f"{limits.memory_mb:,} MB" if limits.memory_mb else "–",
            _format_sleep(limits) or ("when idle" if limits.stops_idle else "–"),
            Text(host.price),
        )
    Console().print(table)
    click.echo("\nMore about one: python -m deploy show HOST")


def _app_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which models to deploy and what to put for placeholders."""
    for option in (
        click.option("--set", "assignments", multiple=True, metavar="WORD=VALUE", help=SET_HELP),
        click.option("--learner", is_flag=True, help="Deploy the learner engine as well."),
        click.option("--model", "models", multiple=True, metavar="NAME", help=MODEL_HELP),
    ):
        command = option(command)
    return command


@main.command("show")
@click.argument("host")
@_app_options
def show_command(
    host: str, models: tuple[str, ...], learner: bool, assignments: tuple[str, ...]
) -> None:
    """Show HOST: limits, sources, steps, files."""
    chosen = get_host(host)
    app, values = choose_models(models, learner=learner), _parse_values(chosen, assignments)
    check_offered(chosen, app)
    click.echo(f"{chosen.title} ({chosen.kind})\n{chosen.summary}\n")
    source = chosen.find_source("price")
    click.echo(f"Price: {chosen.price}" + (f"  ({source.citation})" if source else "") + "\n")
    are_set = chosen.is_private and chosen.has_server
    click.echo("Limits, set by these files:" if are_set else "Limits, as documented:")
    for fact, name in _list_limits(chosen.limits):
        source = chosen.find_source(name)
        click.echo(f"  {fact}" + (f"  ({source.citation})" if source else ""))
    for remark in chosen.remark_list:
        click.echo(f"  - {remark}")
    if chosen.has_server:
        limit = chosen.max_instances_via
        click.echo(f"\nMax instances: 1, {f'set by {limit}' if limit else 'fixed by the host'}")
        click.echo(f"Sticky sessions: {chosen.sticky_sessions_via or 'not available'}")
    click.echo(_describe_models(chosen, app, chosen_by_name=bool(models)))
    words = {word: text for word, text in chosen.placeholders.items() if word not in values}
    if words:
        click.echo("\nWords to replace, or give them with --set WORD=VALUE:")
        for word, meaning in words.items():
            click.echo(f"  {word}: {meaning}")
    click.echo("\nSteps, in this folder:")
    for number, step in enumerate(chosen.list_steps(app, values), 1):
        click.echo(f"  {number}. {step}")
    click.echo(f"\nUpdate the model:\n  $ {chosen.update_command(app, values)}")
    if not chosen.tried:
        click.echo("\nNot tried on the host itself: all this follows its documentation.")
    click.echo(f"\nFiles that `python -m deploy write {chosen.name}` makes:")
    for path in _list_paths(chosen, app):
        click.echo(f"  {path}")


def _list_paths(host: Host, app: AppSpec) -> list[str]:
    """Return what ``write`` makes, the app's own files and each model as one."""
    if not host.has_server:
        return [f"{default_folder(host).relative_to(ROOT)}/, the page with its models"]
    models = [f"{app.bundles_dir}/{name}/" for name in app.own]
    if host.package == "archive":
        models = [f"{host.name}/{ARCHIVE}"] if app.own else []
    rest = ["the app's own files"] if host.package == "folder" else []
    return [*make_files(host, app), *models, *rest]


@main.command("write")
@click.argument("host")
@_app_options
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to; by default the repository, or a folder of its own below build/.",
)
@click.option("--force", is_flag=True, help="Replace files that you edited.")
def write_command(
    host: str,
    models: tuple[str, ...],
    learner: bool,
    assignments: tuple[str, ...],
    folder: Path | None,
    force: bool,
) -> None:
    """Write the files of HOST, with the models to deploy.

    A file that you edited is kept unless --force is given. What an earlier `write` made is
    replaced.
    """
    chosen = get_host(host)
    app, values = choose_models(models, learner=learner), _parse_values(chosen, assignments)
    click.echo(_describe_models(chosen, app, chosen_by_name=bool(models)))
    folder = folder or default_folder(chosen)
    results = write_files(chosen, folder, app, values, force=force)
    own = {folder / path for path in make_files(chosen, app)}
    copied = [path for path in results if path not in own and path.is_file()]
    for path, result in results.items():
        if path not in copied or len(copied) == 1:
            click.echo(f"{path}: {result}")
    if len(copied) > 1:
        counts = Counter(results[path] for path in copied)
        what = ", ".join(f"{count} {result}" for result, count in counts.items())
        click.echo(f"{folder}: the app's own files: {what}")
    others = list_other_models(folder / app.bundles_dir, app)
    if others:
        click.echo(
            f"Also in {folder / app.bundles_dir}, and offered by the app: {', '.join(others)}"
        )
    for word in chosen.placeholders_in_files(app):
        if word not in values:
            click.echo(f"Replace {word} in the files: {chosen.placeholders[word]} (--set {word}=…)")
    words = "".join(f" --set {word}={value}" for word, value in values.items())
    click.echo(f"\nNext steps: python -m deploy show {chosen.name}{app.options}{words}")


def _parse_values(host: Host, assignments: tuple[str, ...]) -> dict[str, str]:
    values = parse_assignments(host.placeholders, assignments)
    address = find_repository() if "YOUR-REPOSITORY" in host.placeholders else None
    return ({"YOUR-REPOSITORY": address} if address else {}) | values


def _describe_models(host: Host, app: AppSpec, *, chosen_by_name: bool) -> str:
    """Return which models are deployed, and how to choose others."""
    if not app.models:
        return "Models: the built-in ones, since there is none of your own (--model NAME)"
    others = ", and the built-in ones" if app.builtin and host.has_server else ""
    line = f"Models: {', '.join(app.models)}{others}"
    return line if chosen_by_name else f"{line}: the one that opens here (others: --model NAME)"


@main.command("check")
@click.argument("host", required=False)
@click.option("--all", "all_hosts", is_flag=True, help="Check every host.")
@click.option("--model", help="Model that should open; by default the one in HOST's files.")
@click.option("--no-start", is_flag=True, help="Check the files only.")
@click.option("--url", help="Ask the app that runs at this address instead.")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of its files; by default where `write` puts them.",
)
def check_command(
    host: str | None,
    all_hosts: bool,
    model: str | None,
    no_start: bool,
    url: str | None,
    folder: Path | None,
) -> None:
    """Check HOST: validate its files, then start the app as the host does.

    The app must open the chosen model, and answer as it does on this machine within the host's
    memory. A file that is not in the folder is checked as `write` would make it. With --url,
    check that a running app opens this machine's version of the model. Exits with 1 if a check
    failed.
    """
    if url:
        if all_hosts or no_start:
            raise click.UsageError("--url checks one running app: leave out --all and --no-start.")
        from .remote import check_url

        chosen = get_host(host) if host else None
        click.echo(url)
        sys.exit(1 if _print_results(check_url(url, model, chosen)) else 0)
    if bool(host) == all_hosts:
        raise click.UsageError("Name one host or use --all. See: python -m deploy list")
    failed = False
    for chosen in hosts().values() if all_hosts else [get_host(host or "")]:
        click.echo(f"{chosen.title} ({chosen.name})")
        where = folder or default_folder(chosen)
        failed |= _print_results(_check_host(chosen, where, model, start=not no_start))
    sys.exit(1 if failed else 0)


def _print_results(results: Iterator[CheckResult]) -> bool:
    """Print results as they come; return whether one of them failed."""
    failed = False
    for result in results:
        click.echo(f"  {result.state:6}  {result.subject}: {result.message}")
        if result.state is State.FAILED:
            failed = True
            click.echo(f"          {result.fix}")
    return failed


def _check_host(
    host: Host, folder: Path, model: str | None, *, start: bool
) -> Iterator[CheckResult]:
    if not host.has_server:
        from .page_check import check_page

        yield from check_page(host, folder, model, start=start)
        return
    generated, record = make_files(host), read_record(folder)
    try:
        existing = read_files(host, folder)
    except DeployError as error:
        yield CheckResult("files", State.FAILED, str(error), "Write them again with --force.")
        return
    for path, text in generated.items():
        if path not in existing:
            message = f"not in {folder}: checked as `write` would make it"
        elif existing[path] == text or is_as_written(record, folder, path):
            message = f"as `write` made it, in {folder}"
        elif path in record:
            message = f"edited since `write` made it, in {folder}"
        else:
            message = f"in {folder}, not made by `write` in this clone"
        yield CheckResult(path, State.NOTE, message)
    texts = generated | existing
    yield from check_placeholders(host, existing, generated)
    yield from check_files(host, texts, _required_memory_mb(host, texts, folder))
    # Imported here because they load the models' runtime.
    if start:
        from .trial import check_start

        yield from check_start(host, texts, folder, model)
    else:
        from .trial import check_without_start

        yield check_without_start(host, texts, folder, model)


def _required_memory_mb(host: Host, texts: Mapping[str, str], folder: Path) -> int:
    """Return the memory that the app needs with the models in its files, in MB."""
    from .deployed_models import read_models
    from .startup import plan_start

    try:
        return read_models(plan_start(host, texts, folder)).memory_mb
    except DeployError:
        # The checks that follow name the file.
        return APP.memory_mb


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
        ("largest file: {:g} MB", limits.file_mb, "file_mb"),
        ("all files: {:,} MB", limits.site_mb, "site_mb"),
        ("web socket cut after: {} minutes", limits.socket_minutes, "socket_minutes"),
        ("the data folder: kept", limits.keeps_files, "keeps_files"),
    ]
    return [(template.format(value), name) for template, value, name in facts if value]
