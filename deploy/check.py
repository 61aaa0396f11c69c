"""Checks of a host's files, by the host's own validator and against the app's description."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from model.settings import ROOT, Settings

from .errors import DeployError
from .files import (
    get_value,
    make_files,
    nested_files,
    parse_files,
    parse_memory_mb,
    parse_variables,
)
from .host import Host
from .placeholders import EXAMPLE_DOMAIN
from .spec import APP

__all__ = [
    "CheckResult",
    "State",
    "check_files",
    "check_placeholders",
    "find_unknown_settings",
]


class State(StrEnum):
    """Outcome of a check."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: its subject, outcome and message, and what to do if it failed."""

    subject: str
    state: State
    message: str
    fix: str = ""


VALIDATORS = {
    "compose.yaml": "docker compose --file FILE config --quiet",
    "Caddyfile": "caddy validate --adapter caddyfile --config FILE",
    "cloud-init.yaml": "cloud-init schema --config-file FILE",
    "*.service": "systemd-analyze verify --man=no --recursive-errors=no FILE",
}
"""Commands that validate a file without a network, by file name."""

ONLINE_VALIDATORS = {
    "fly.toml": "fly config validate",
    "render.yaml": "render blueprints validate",
}
"""Commands that send the file to the host and need a login: they are named, not run."""

VALIDATOR_TIMEOUT_SECONDS = 30

COMMENT = re.compile(r"^\s*(;|//).*$|(^|\s)#.*$|<!--.*?-->")
"""A comment in any of the formats: it may explain a placeholder."""


def check_files(
    host: Host, texts: Mapping[str, str] | None = None, memory_mb: int = APP.memory_mb
) -> list[CheckResult]:
    """Check the host's files.

    Args:
        host: the host.
        texts: its files by path; by default as they would be written.
        memory_mb: memory that the app needs with its models.
    """
    texts = make_files(host) if texts is None else texts
    fix = f"Fix it, or write it again: python -m deploy write {host.name} --force"
    try:
        documents = parse_files(texts)
        return [
            *_validate(dict(texts) | nested_files(texts), fix),
            *_check_values(host, documents, memory_mb),
            *_check_instances(host, texts),
        ]
    except DeployError as error:
        return [CheckResult("files", State.FAILED, str(error), fix)]


def _validate(texts: Mapping[str, str], fix: str) -> Iterator[CheckResult]:
    for path, text in texts.items():
        name = PurePosixPath(path).name
        if name in ONLINE_VALIDATORS:
            message = f"not validated; with a login, run: {ONLINE_VALIDATORS[name]}"
            yield CheckResult(path, State.NOTE, message)
        for pattern, command in VALIDATORS.items():
            if fnmatch(name, pattern):
                yield _run_validator(command.split(), path, text, fix)


def _run_validator(command: list[str], path: str, text: str, fix: str) -> CheckResult:
    if shutil.which(command[0]) is None:
        return CheckResult(path, State.NOTE, f"not validated: {command[0]} is not installed")
    with TemporaryDirectory(prefix="loupe-") as folder:
        file = Path(folder) / PurePosixPath(path).name
        # systemd checks that the unit's command exists: here it is in this checkout.
        file.write_text(text.replace("=/opt/loupe/", f"={ROOT}/"), encoding="utf-8")
        try:
            completed = subprocess.run(
                [str(file) if word == "FILE" else word for word in command],
                cwd=folder,
                # compose.yaml and the Caddyfile read SITE; Caddy writes below HOME.
                env={**os.environ, "SITE": "loupe.example.org", "HOME": folder},
                capture_output=True,
                text=True,
                check=False,
                timeout=VALIDATOR_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            message = f"not validated: no reply from {command[0]} in {VALIDATOR_TIMEOUT_SECONDS} s"
            return CheckResult(path, State.NOTE, message)
    if completed.returncode:
        lines = [
            line for line in (completed.stderr or completed.stdout).splitlines() if line.strip()
        ]
        message = "; ".join(lines[-2:]).replace(str(file), file.name)
        return CheckResult(path, State.FAILED, message, fix)
    return CheckResult(path, State.OK, f"valid for {command[0]}")


def _check_values(
    host: Host, documents: Mapping[str, Any], needed_mb: int
) -> Iterator[CheckResult]:
    """Compare port, health path, settings and memory with the app's description."""
    paths = host.manifest
    environment = parse_variables(get_value(documents, paths.file, paths.environment))
    if paths.port is not None:
        port = get_value(documents, paths.file, paths.port)
        yield _check_equal("port", port, environment.get("PORT", str(APP.port)))
    if paths.health is not None:
        health = get_value(documents, paths.file, paths.health)
        expected = host.start.provided_env.get("AIP_HEALTH_ROUTE", APP.ready_path)
        yield _check_equal("health path", health, expected)
    unknown = find_unknown_settings(environment)
    if unknown:
        message = f"Loupe has no setting named {', '.join(unknown)}"
        yield CheckResult("settings", State.FAILED, message, "Use the names in docs/settings.md.")
    elif environment:
        yield CheckResult("settings", State.OK, ", ".join(sorted(environment)))
    if not host.has_server:
        return
    granted_mb = host.limits.memory_mb
    if paths.memory is not None:
        granted_mb = parse_memory_mb(get_value(documents, paths.file, paths.memory))
    yield from _check_memory(granted_mb, needed_mb, environment.get("LOUPE_MEMORY_MB"))


def _check_equal(subject: str, actual: Any, expected: str) -> CheckResult:
    if str(actual) == expected:
        return CheckResult(subject, State.OK, expected)
    message = f"'{actual}' in the files, '{expected}' in the app"
    return CheckResult(subject, State.FAILED, message, f"Change it to {expected}.")


def _check_memory(granted_mb: int, needed_mb: int, setting: str | None) -> Iterator[CheckResult]:
    message = f"{granted_mb} MB; the app needs about {needed_mb} MB with its models"
    if granted_mb < needed_mb:
        fix = "Raise it, choose a larger plan, or deploy fewer or smaller models."
        yield CheckResult("memory", State.FAILED, message, fix)
    else:
        yield CheckResult("memory", State.OK, message)
    if setting is not None and parse_memory_mb(setting) > granted_mb:
        message = f"LOUPE_MEMORY_MB is {setting}, but the host grants {granted_mb} MB"
        fix = "Set both to the same value, or the host kills the app."
        yield CheckResult("memory setting", State.FAILED, message, fix)


def _check_instances(host: Host, texts: Mapping[str, str]) -> Iterator[CheckResult]:
    """Check that the line that limits the instances is still there."""
    limit = host.max_instances_via
    if limit is None or not _has_setting(make_files(host), limit):
        return
    if _has_setting(texts, limit):
        yield CheckResult("instances", State.OK, limit)
    else:
        fix = f"Restore `{limit}`: it limits the bill, and corrections are in one SQLite file."
        yield CheckResult("instances", State.FAILED, f"`{limit}` is missing", fix)


def _has_setting(texts: Mapping[str, str], setting: str) -> bool:
    """Return whether a line that is not a comment contains the setting."""
    pattern = re.compile(rf"^(?!\s*#).*{re.escape(setting)}(?!\d)", re.MULTILINE)
    return any(pattern.search(text) for text in texts.values())


def check_placeholders(
    host: Host, existing: Mapping[str, str], generated: Mapping[str, str]
) -> Iterator[CheckResult]:
    """Name every placeholder or example domain that is left, with its line.

    Args:
        host: the host.
        existing: its files that have been written, by path: a placeholder in them fails.
        generated: all its files, as they would be written.
    """
    for path, text in existing.items():
        for number, word in _find_placeholders(host, text):
            message = f"{word} is still a placeholder"
            fix = f"Replace it with {host.placeholders[word]}, or run `write` with --set {word}=…"
            yield CheckResult(f"{path}, line {number}", State.FAILED, message, fix)
        for number, line in enumerate(text.splitlines(), 1):
            if found := EXAMPLE_DOMAIN.search(COMMENT.sub("", line)):
                message = f"{found[0]} is an example"
                fix = "Put your own domain there, or run `write` with --set YOUR.DOMAIN=…"
                yield CheckResult(f"{path}, line {number}", State.FAILED, message, fix)
    unwritten = [text for path, text in generated.items() if path not in existing]
    words = dict.fromkeys(word for text in unwritten for _, word in _find_placeholders(host, text))
    if words:
        message = f"to be replaced once the files are written: {', '.join(words)}"
        yield CheckResult("placeholders", State.NOTE, message)


def _find_placeholders(host: Host, text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the word of each placeholder outside comments."""
    longest_first = sorted(host.placeholders, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?!\w)")
    # A file inside cloud-init's user data is a block of lines of its own.
    for number, line in enumerate(text.splitlines() if longest_first else (), 1):
        for word in dict.fromkeys(pattern.findall(COMMENT.sub("", line))):
            yield number, word


def find_unknown_settings(names: Mapping[str, str]) -> list[str]:
    """Return the names that begin with ``LOUPE_`` but are not settings."""
    known = {f"LOUPE_{name.upper()}" for name in Settings.model_fields}
    return [name for name in names if name.startswith("LOUPE_") and name not in known]
