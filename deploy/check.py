"""The check of a deployment: a host's files and the app started with them, or an address."""

import re
import shlex
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote, urlsplit

from model import LoupeError
from model.browser.device_files import describe_engine
from model.errors import BundleError
from model.exporting.export_folder import RECORD, read_record
from model.exporting.web import INDEX
from model.loading import default_model
from model.settings import Settings
from model.text import list_some

from . import client
from .client import Reply, send
from .files import find_changed, read_files
from .host import Host
from .results import CheckResult, ExpectedModel, list_offered
from .spec import APP, DeployError
from .templates import find_placeholders
from .trial import read_start_settings, run_trial

TIMEOUT_SECONDS = 60
"""Longest wait for one response, in seconds: on some hosts a request first wakes the app."""

NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""Names and versions that are safe to show at a terminal."""

SCRIPT_TYPES = ("text/javascript", "application/javascript", "application/x-javascript")

COMMUNITY_CLOUD = ".streamlit.app"
COMMUNITY_CLOUD_PATH = "/~/+"
"""The app's path on Community Cloud, whose public address shows a frame around the app."""


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
                made = f"not in {folder}: checked as `write` would make it"
                yield CheckResult(path, "note", made)
        yield from check_placeholders(host, existing)
        settings = read_start_settings(host, texts)
        yield check_settings(settings)
        named = model or settings.get("LOUPE_MODEL")
        expected = ExpectedModel.find(named, "the host's files have", host)
        yield CheckResult("engine", "note", describe_engine(expected.bundle))
        if start and not host.start.command:
            yield CheckResult("start", "note", "not started: this host needs several programs")
        elif start:
            yield from run_trial(host, settings, folder, expected)
    except BundleError as error:
        fix = "Import it, or name another with --model. This lists them: python -m model list"
        yield CheckResult("model", "failed", str(error), fix)
    except LoupeError as error:
        fix = f"Fix it, or write it again: python -m deploy write {host.name} --force"
        yield CheckResult("files", "failed", str(error), fix)


def _check_page(
    host: Host, folder: Path, model: str | None, needs_page: bool
) -> Iterator[CheckResult]:
    """Check a static host's page by its hashes, and compare its model with this machine's."""
    record = read_record(folder)
    if record is None or INDEX not in record["files"]:
        fix = f"Name its folder with --to, or write it: python -m deploy write {host.name}"
        message = f"not found in {folder}, so nothing was checked"
        yield CheckResult("page", "failed" if needs_page else "note", message, fix)
    elif changed := find_changed(folder, record["files"]):
        message = f"missing or changed since `write`: {list_some(changed)}"
        options = " --model ".join([f"--to {shlex.quote(str(folder))} --force", *record["models"]])
        fix = f"Write it again: python -m deploy write {host.name} {options}"
        yield CheckResult("files", "failed", message, fix)
    else:
        yield CheckResult("files", "ok", f"{len(record['files'])} files match their hashes")
        versions = record["models"]
        opens = next(iter(versions))
        expected = ExpectedModel.find(model or opens, "the page has", host)
        yield expected.compare(opens, versions[opens], versions, "it runs in browsers")


def check_placeholders(host: Host, texts: Mapping[str, str]) -> Iterator[CheckResult]:
    """Yield each placeholder that is left in the files, with its line."""
    for path, text in texts.items():
        for number, word in find_placeholders(text, host.placeholders):
            message = f"{word} is still a placeholder"
            fix = f"Replace it with {host.placeholders[word]}, or run `write` with --set {word}=…"
            yield CheckResult(f"{path}, line {number}", "failed", message, fix)


def check_settings(settings: Mapping[str, str]) -> CheckResult:
    """Check that Loupe has a setting of each name in the files."""
    known = {f"LOUPE_{name.upper()}" for name in Settings.model_fields}
    names = [name for name in settings if name.startswith("LOUPE_")]
    if unknown := [name for name in names if name not in known]:
        message = f"Loupe has no setting named {', '.join(unknown)}"
        return CheckResult("settings", "failed", message, "Use the names in docs/settings.md.")
    return CheckResult("settings", "ok", ", ".join(sorted(names)))


def check_url(
    url: str, model: str | None = None, host: Host | None = None
) -> Iterator[CheckResult]:
    """Check the model and version that a running app or page opens; yield the results.

    Args:
        url: address of its page.
        model: the model that it should open; by default any, compared with this machine's of
            the same name.
        host: its host, for the command that updates it.

    Raises:
        DeployError: the address cannot be used.
    """
    base_url = parse_url(url)
    try:
        if host and not host.has_server:
            yield _check_scripts(send(f"{base_url}/app.js", TIMEOUT_SECONDS))
            reply = send(f"{base_url}/{RECORD}", TIMEOUT_SECONDS)
            models = reply.document.get("models")
            versions = models if isinstance(models, dict) else {}
            # The first model opens.
            offered = list(versions)
            opened, version = next(iter(versions.items()), (None, None))
        else:
            reply = send(base_url + APP.ready_path, TIMEOUT_SECONDS)
            opened, version = reply.document.get("model"), reply.document.get("version")
            offered = list_offered(base_url, TIMEOUT_SECONDS)
    except (OSError, HTTPException) as error:
        yield CheckResult("app", "failed", *client.explain_failure(error, TIMEOUT_SECONDS))
        return
    if not all(text and NAME.fullmatch(str(text)) for text in (opened, version)):
        yield CheckResult("app", "failed", *_explain_reply(reply))
        return
    try:
        expected = ExpectedModel.find(model or str(opened), "the app has", host)
    except LoupeError as error:
        message = f"the app opens '{opened}', version {version}. Here: {error}"
        yield CheckResult("model", "failed", message, "This lists yours: python -m model list")
        return
    yield expected.compare(opened, version, offered, "as the app reports it")
    if model is None and (own := default_model()) != opened:
        message = f"on this machine '{own}' opens; to expect it there, add --model {own}"
        yield CheckResult("model", "note", message)


def parse_url(url: str) -> str:
    """Return the address without a slash at its end, a query or a fragment.

    Raises:
        DeployError: it is not the address of a page.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme not in client.SCHEMES or not parts.hostname or "@" in parts.netloc:
            raise ValueError
        name = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode()
        site = f"[{name}]" if ":" in name else name
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        raise DeployError(
            f"{url!r} is not the address of a page. Write it as https://loupe.example.org/"
        ) from None
    path = quote(parts.path.rstrip("/"), safe="/%~+@:")
    if name.endswith(COMMUNITY_CLOUD) and not path.startswith(COMMUNITY_CLOUD_PATH):
        path = COMMUNITY_CLOUD_PATH
    return f"{parts.scheme}://{site}{port}{path}"


def _explain_reply(reply: Reply) -> tuple[str, str]:
    """Return the reason why a response isn't from an app that is ready, and what to do."""
    code = reply.document.get("code")
    if reply.status == 503 and NAME.fullmatch(str(code or "")):
        return f"Loupe runs there, but it isn't ready: {code}", "Its log says more."
    if reply.status == 200 and "Streamlit" in reply.text:
        message = "Streamlit runs there without Loupe's routes, or its host shows a page of its own"
        return message, "Open the address in a browser, wake or restart the app, and check again."
    fix = "Open the address in a browser: the app may be starting, or ask for a sign-in."
    return f"not Loupe, or not ready (HTTP {reply.status})", fix


def _check_scripts(script: Reply) -> CheckResult:
    if script.media_type in SCRIPT_TYPES:
        return CheckResult("scripts", "ok", f"sent as {script.media_type}")
    message = f"sent as {script.media_type or 'nothing'}, which browsers don't run"
    fix = "Have the server send .js files as text/javascript."
    return CheckResult("scripts", "failed", message, fix)
