"""The command line: ``list``, ``show``, ``write`` and ``check``."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from model.browser.device_files import describe_engine
from model.bundle import MANIFEST, get_bundle
from model.cli.terminal import ErrorGroup

from .files import default_folder, write_files
from .host import READ_DATE, Host
from .hosts import HOSTS
from .results import CheckResult
from .spec import AppSpec, choose_models
from .templates import parse_assignments

HOST_NAME = click.Choice(list(HOSTS))
MODEL_HELP = "A model to deploy (repeatable; the first opens). By default the one that opens here."
SET_HELP = "The value of a placeholder, such as REGION=europe-west1."


@click.group(cls=ErrorGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Choose a host for Loupe, write its files and check that they work."""


@main.command("list")
def list_command() -> None:
    """List the hosts: kind, memory, sleep, and the price below."""
    row = "{:16} {:19} {:10} {}"
    click.echo(row.format("host", "kind", "memory", "sleeps"))
    for host in HOSTS.values():
        memory = f"{host.limits.memory_mb:,} MB" if host.has_server else "–"
        click.echo(row.format(host.name, host.kind, memory, host.limits.sleeps).rstrip())
        click.echo(f"  {host.price_in_brief}")
    click.echo("\nMore about one: python -m deploy show HOST")


def _refuse_learner(_: click.Context, __: click.Parameter, is_given: bool) -> None:
    """Say what replaced an option of earlier versions."""
    if is_given:
        raise click.UsageError("--learner is gone: docs/deploy.md says what to edit instead.")


def _app_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for the models to deploy and the values of placeholders."""
    for option in (
        click.option("--set", "assignments", multiple=True, metavar="WORD=VALUE", help=SET_HELP),
        click.option(
            "--learner", is_flag=True, hidden=True, expose_value=False, callback=_refuse_learner
        ),
        click.option("--model", "models", multiple=True, metavar="NAME", help=MODEL_HELP),
    ):
        command = option(command)
    return command


@main.command("show")
@click.argument("host", type=HOST_NAME)
@_app_options
def show_command(host: str, models: tuple[str, ...], assignments: tuple[str, ...]) -> None:
    """Show HOST: limits, sources, steps. `write` names the files."""
    chosen, app = HOSTS[host], choose_models(models)
    values = parse_assignments(chosen.placeholders, assignments, chosen.numbers)
    words = [f"{word}: {text}" for word, text in chosen.placeholders.items() if word not in values]
    steps = chosen.list_steps(app, values)
    click.echo(f"{chosen.title}, {chosen.kind}\n{chosen.summary}\n\nPrice: {chosen.price}")
    limits = chosen.describe_limits(app)
    if seconds := chosen.limits.start_seconds:
        limits.append(f"Must start within {seconds} s.")
    _echo_list("Limits:", [*limits, *chosen.remarks.splitlines()])
    _echo_list(f"Sources, read {READ_DATE}:", chosen.sources.splitlines())
    click.echo(f"\n{_describe_models(chosen, app, chosen_by_name=bool(models))}")
    _echo_list("Words to replace, by hand or with --set WORD=VALUE:", words)
    _echo_list("Steps, in this folder:", [f"{n}. {step}" for n, step in enumerate(steps, 1)])
    click.echo(f"\nUpdate the model:\n  $ {chosen.update_command(app, values)}")
    click.echo("\nNot tried on the host itself: all this follows its documentation.")


def _echo_list(heading: str, lines: list[str]) -> None:
    if lines:
        click.echo("\n".join(["", heading, *(f"  {line}" for line in lines)]))


@main.command("write")
@click.argument("host", type=HOST_NAME)
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
    assignments: tuple[str, ...],
    folder: Path | None,
    force: bool,
) -> None:
    """Write the files of HOST, with the models to deploy.

    A file that you edited is kept unless --force is given. What an earlier `write` made is
    replaced.
    """
    chosen, app = HOSTS[host], choose_models(models)
    values = parse_assignments(chosen.placeholders, assignments, chosen.numbers)
    click.echo(_describe_models(chosen, app, chosen_by_name=bool(models)))
    folder = folder or default_folder(chosen)
    own = {folder, *(folder / path for path in chosen.make_files(app))}
    counts = Counter[str]()
    for path, result in write_files(chosen, folder, app, values, force=force).items():
        if path in own:
            click.echo(f"{path}: {result}")
        else:
            counts[result] += 1
    if counts:
        what = ", ".join(f"{count} {result}" for result, count in counts.items())
        click.echo(f"{folder}: other files: {what}")
    for name in app.own:
        bundle = get_bundle(name)
        click.echo(f"{folder / app.bundles_dir / name}: version {bundle.version}")
        click.echo(f"'{name}' {describe_engine(bundle)}")
    bundles = folder / app.bundles_dir
    found = sorted(path.parent.name for path in bundles.glob(f"*/{MANIFEST}"))
    if others := [name for name in found if name not in app.models]:
        click.echo(f"Also in {bundles}, and offered by the app: {', '.join(others)}")
    for word in chosen.placeholders_in_files(app):
        if word not in values:
            click.echo(f"Replace {word} in the files: {chosen.placeholders[word]} (--set {word}=…)")
    words = "".join(f" --set {word}={value}" for word, value in values.items())
    click.echo(f"\nNext steps: python -m deploy show {chosen.name}{app.options}{words}")


def _describe_models(host: Host, app: AppSpec, *, chosen_by_name: bool) -> str:
    """Describe the models to deploy, and the option that chooses others."""
    if not app.models:
        return "Models: the built-in ones, since there is none of your own (--model NAME)"
    others = ", and the built-in ones" if app.builtin and host.has_server else ""
    line = f"Models: {', '.join(app.models)}{others}"
    return line if chosen_by_name else f"{line}: the one that opens here (others: --model NAME)"


@main.command("check")
@click.argument("host", type=HOST_NAME, required=False)
@click.option("--all", "all_hosts", is_flag=True, help="Check every host.")
@click.option("--model", help="Model that should open; by default the one in HOST's files.")
@click.option("--no-start", is_flag=True, help="Check placeholders and settings only.")
@click.option("--url", help="Check the app that runs at this address instead.")
@click.option(
    "--from",
    "--to",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with HOST's files, as given to `write`; by default the one that `write` uses.",
)
def check_command(
    host: str | None,
    all_hosts: bool,
    model: str | None,
    no_start: bool,
    url: str | None,
    folder: Path | None,
) -> None:
    """Check HOST: its files, then the app, started as the host does.

    The app must open the chosen model, and answer as it does on this machine within the host's
    memory. A file that is not in the folder is checked as `write` would make it. With --url,
    check that a running app opens this machine's version of the model. Exits with 1 if a check
    failed.
    """
    # Imported here because it loads the models' runtime.
    from .check import check_host, check_url

    if url:
        if all_hosts or no_start:
            raise click.UsageError("--url checks one running app: leave out --all and --no-start.")
        click.echo(url)
        sys.exit(1 if _print_results(check_url(url, model, HOSTS[host] if host else None)) else 0)
    if bool(host) == all_hosts:
        raise click.UsageError("Name one host or use --all. See: python -m deploy list")
    failed = False
    for chosen in [HOSTS[host]] if host else HOSTS.values():
        click.echo(f"{chosen.title} ({chosen.name})")
        where = folder or default_folder(chosen)
        results = check_host(chosen, where, model, start=not no_start, needs_page=bool(host))
        failed |= _print_results(results)
    sys.exit(1 if failed else 0)


def _print_results(results: Iterator[CheckResult]) -> bool:
    """Print results as they come; return True if one failed."""
    failed = False
    for result in results:
        click.echo(f"  {result.state:6}  {result.subject}: {result.message}")
        if result.state == "failed":
            failed = True
            click.echo(f"          {result.fix}")
    return failed
