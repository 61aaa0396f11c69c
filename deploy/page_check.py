"""Checks of the page for static hosts, in its folder or at its address."""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from model import LoupeError
from model.exporting.device_files import run_graph
from model.exporting.export_folder import read_record
from model.exporting.web import INDEX
from model.text import list_some

from .check import CheckResult, State
from .client import explain_failure, send
from .host import Host
from .served_model import NAME, compare_models, find_expected
from .static_page import find_changed

__all__ = ["check_page", "check_page_at"]

TIMEOUT_SECONDS = 60
SCRIPT_TYPES = ("text/javascript", "application/javascript", "application/x-javascript")
READ_ERRORS = (OSError, ValueError, LookupError, TypeError, EOFError, StopIteration)
"""Errors that a damaged file can raise."""


def check_page(
    host: Host, folder: Path, model: str | None = None, *, start: bool = True
) -> Iterator[CheckResult]:
    """Check a page in its folder: its files, its model, and that the graphs answer.

    Args:
        host: the static host.
        folder: where the page is.
        model: the model that should open; by default any, compared with this machine's.
        start: whether to run the graphs.
    """
    record = read_record(folder)
    if record is None or INDEX not in record["files"]:
        message = f"not in {folder}: nothing to check until `write` has made it"
        yield CheckResult("page", State.NOTE, message)
        return
    fix = f"Write it again: python -m deploy write {host.name} --force"
    if changed := find_changed(folder, record["files"]):
        message = f"missing or changed since `write`: {list_some(changed)}"
        yield CheckResult("files", State.FAILED, message, fix)
        return
    yield CheckResult("files", State.OK, f"{len(record['files'])} files match their hashes")
    yield from _check_sizes(host, folder, record["files"])
    try:
        index = json.loads((folder / INDEX).read_text("utf-8"))
        yield _check_model(index, record["models"].get, model, host)
        if start:
            for name in record["models"]:
                yield _check_answers(folder / "models" / name, fix)
    except READ_ERRORS as error:
        yield CheckResult("page", State.FAILED, f"can't be read: {error}", fix)


def _check_sizes(host: Host, folder: Path, paths: Mapping[str, str]) -> Iterator[CheckResult]:
    """Compare the sizes with GitHub's limits, which other servers don't have."""
    limits, sizes = host.limits, {path: (folder / path).stat().st_size for path in paths}
    large = [path for path, size in sizes.items() if size > (limits.file_mb or 0) * 1e6]
    if large:
        message = f"more than the {limits.file_mb:g} MB that GitHub takes: {list_some(large)}"
        yield CheckResult("size", State.NOTE, message)
    if sum(sizes.values()) > (limits.site_mb or 0) * 1e6:
        message = f"more than the {limits.site_mb:,} MB of a site on GitHub Pages"
        yield CheckResult("size", State.NOTE, message)


def _check_model(
    index: Any, version_of: Callable[[str], Any], model: str | None, host: Host
) -> CheckResult:
    """Compare the model that a page opens with this machine's.

    Args:
        index: the contents of ``models/index.json``.
        version_of: returns a model's version by its name.
        model: the model that should open, if a certain one should.
        host: the static host.
    """
    offered = [str(entry["name"]) for entry in index["models"]]
    opens = next(str(entry["name"]) for entry in index["models"] if entry["default"])
    try:
        expected = find_expected(model or opens, "the page has", host)
    except LoupeError as error:
        message = f"the page opens '{opens}'. Here: {error}"
        return CheckResult("model", State.FAILED, message, "This lists yours: python -m model list")
    return compare_models(opens, version_of(opens), offered, expected, "it runs in browsers")


def _check_answers(folder: Path, fix: str) -> CheckResult:
    """Run a model's graphs on its golden pixels, as browsers do at each load."""
    info = json.loads((folder / "model.json").read_text("utf-8"))
    height, width = info["recipe"].get("crop") or info["recipe"]["resize"]
    largest = 0.0
    for entry in info["graphs"].values():
        golden = entry["golden"]
        packed = [(folder / url).read_bytes() for url in (entry["url"], golden["url"])]
        graph, pixels = map(gzip.decompress, packed)
        photos = np.frombuffer(pixels, np.uint8).reshape(golden["count"], height, width, 3)
        outputs = run_graph(graph, photos)["probabilities"]
        difference = np.abs(outputs - np.array(golden["probabilities"])).max()
        # Written so that NaN counts as a mismatch.
        if not difference <= golden["tolerance"]:
            message = f"'{info['name']}' doesn't reproduce its golden outputs ({difference:.1g})"
            return CheckResult("answers", State.FAILED, message, fix)
        largest = max(largest, float(difference))
    message = f"'{info['name']}': both graphs reproduce their golden outputs (within {largest:.0e})"
    return CheckResult("answers", State.OK, message)


def check_page_at(base_url: str, model: str | None, host: Host) -> Iterator[CheckResult]:
    """Ask a static host how it sends the page, and compare its model with this machine's.

    Args:
        base_url: the page's address, without a slash at its end.
        model: the model that should open; by default any.
        host: the static host.
    """
    try:
        script = send(f"{base_url}/app.js", TIMEOUT_SECONDS)
        index = send(f"{base_url}/{INDEX}", TIMEOUT_SECONDS)
        models = index.document.get("models", [])
        names = [entry.get("name") for entry in models if isinstance(entry, dict)]
        infos = {
            name: send(f"{base_url}/models/{name}/model.json", TIMEOUT_SECONDS).document
            for name in names
            if isinstance(name, str) and NAME.fullmatch(name)
        }
    except (OSError, HTTPException) as error:
        yield CheckResult("page", State.FAILED, *explain_failure(error, TIMEOUT_SECONDS))
        return
    if script.status != 200 or not infos:
        message = f"not an exported page: {INDEX} answers with HTTP {index.status}"
        yield CheckResult("page", State.FAILED, message, "Check the address.")
        return
    if script.media_type in SCRIPT_TYPES:
        yield CheckResult("scripts", State.OK, f"sent as {script.media_type}")
    else:
        message = f"sent as {script.media_type or 'nothing'}, which browsers don't run"
        fix = "Have the server send .js files as text/javascript."
        yield CheckResult("scripts", State.FAILED, message, fix)
    try:
        yield _check_model(index.document, lambda name: infos[name].get("version"), model, host)
    except READ_ERRORS:
        yield CheckResult("page", State.FAILED, f"{INDEX} can't be read", "Upload it again.")
