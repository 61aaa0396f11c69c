"""The check of a host's files: placeholders, settings, the model, and the app started with them."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from model import LoupeError
from model.browser.device_files import describe_engine
from model.errors import BundleError
from model.exporting.export_folder import read_record
from model.exporting.web import INDEX
from model.settings import Settings
from model.text import list_some

from .comparison import CheckResult, State, find_expected
from .files import read_files
from .host import Host
from .placeholders import find_placeholders
from .start import plan_start
from .static_page import find_changed
from .trial import run_trial


def check_host(
    host: Host,
    folder: Path,
    model: str | None = None,
    *,
    start: bool = True,
    needs_page: bool = True,
) -> Iterator[CheckResult]:
    """Check the host's files in a folder, then start the app with them; yield each result.

    A file that the folder lacks is checked as ``write`` would make it.

    Args:
        host: the host.
        folder: the folder of the files and of the models to deploy.
        model: the model that should open; by default the one that the files name, or else the
            one that opens on this machine.
        start: False to check only placeholders, settings and that this machine has the model.
        needs_page: False if a static host's page may be missing from the folder.
    """
    try:
        if not host.has_server:
            yield from _check_page(host, folder, model, needs_page)
            return
        existing = read_files(host, folder)
        texts = host.make_files() | existing
        for path in texts:
            if path not in existing:
                message = f"not in {folder}: checked as `write` would make it"
                yield CheckResult(path, State.NOTE, message)
        yield from check_placeholders(host, existing)
        plan = plan_start(host, texts, folder)
        yield from check_settings(plan.environment)
        expected = find_expected(
            model or plan.environment.get("LOUPE_MODEL"), "the host's files have", host
        )
        yield CheckResult("engine", State.NOTE, describe_engine(expected.bundle))
        if start and not host.start.command:
            yield CheckResult("start", State.NOTE, "not started: this host needs several programs")
        elif start:
            yield from run_trial(host, plan, expected)
    except BundleError as error:
        fix = "Import it, or name another with --model. This lists them: python -m model list"
        yield CheckResult("model", State.FAILED, str(error), fix)
    except LoupeError as error:
        fix = f"Fix it, or write it again: python -m deploy write {host.name} --force"
        yield CheckResult("files", State.FAILED, str(error), fix)


def _check_page(
    host: Host, folder: Path, model: str | None, needs_page: bool
) -> Iterator[CheckResult]:
    """Check a static host's page by its hashes, and compare its model with this machine's."""
    record = read_record(folder)
    if record is None or INDEX not in record["files"]:
        fix = f"Name its folder with --to, or write it: python -m deploy write {host.name}"
        state = State.FAILED if needs_page else State.NOTE
        yield CheckResult("page", state, f"not found in {folder}, so nothing was checked", fix)
    elif changed := find_changed(folder, record["files"]):
        message = f"missing or changed since `write`: {list_some(changed)}"
        options = " --model ".join([f"--to {shlex.quote(str(folder))} --force", *record["models"]])
        fix = f"Write it again: python -m deploy write {host.name} {options}"
        yield CheckResult("files", State.FAILED, message, fix)
    else:
        yield CheckResult("files", State.OK, f"{len(record['files'])} files match their hashes")
        versions = record["models"]
        opens = next(iter(versions))
        expected = find_expected(model or opens, "the page has", host)
        yield expected.compare(opens, versions[opens], versions, "it runs in browsers")


def check_placeholders(host: Host, texts: Mapping[str, str]) -> Iterator[CheckResult]:
    """Yield each placeholder that is left in the files, with its line."""
    for path, text in texts.items():
        for number, word in find_placeholders(text, host.placeholders):
            message = f"{word} is still a placeholder"
            fix = f"Replace it with {host.placeholders[word]}, or run `write` with --set {word}=…"
            yield CheckResult(f"{path}, line {number}", State.FAILED, message, fix)


def check_settings(settings: Mapping[str, str]) -> Iterator[CheckResult]:
    """Check that Loupe has a setting of each name in the files."""
    known = {f"LOUPE_{name.upper()}" for name in Settings.model_fields}
    names = [name for name in settings if name.startswith("LOUPE_")]
    if unknown := [name for name in names if name not in known]:
        message = f"Loupe has no setting named {', '.join(unknown)}"
        yield CheckResult("settings", State.FAILED, message, "Use the names in docs/settings.md.")
    else:
        yield CheckResult("settings", State.OK, ", ".join(sorted(names)))
