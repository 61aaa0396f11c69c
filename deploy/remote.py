"""The check of a running app or published page at its address: the model that it opens."""

import re
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

from model import LoupeError
from model.exporting.export_folder import RECORD
from model.loading import default_model

from .client import SCHEMES, Reply, explain_failure, send
from .comparison import CheckResult, State, find_expected
from .errors import DeployError
from .host import Host
from .spec import APP

TIMEOUT_SECONDS = 60
"""Longest wait for one response, in seconds: on some hosts a request first wakes the app."""

NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""Names and versions that are safe to show at a terminal."""

SCRIPT_TYPES = ("text/javascript", "application/javascript", "application/x-javascript")

COMMUNITY_CLOUD = ".streamlit.app"
COMMUNITY_CLOUD_PATH = "/~/+"
"""The app's path on Community Cloud, whose public address shows a frame around the app."""


def check_url(
    url: str, model: str | None = None, host: Host | None = None
) -> Iterator[CheckResult]:
    """Check the model and version that an app or page opens; yield the results.

    Args:
        url: address of its page.
        model: the model that it should open; by default any, compared with this machine's of
            the same name.
        host: its host, for the command that updates it.

    Raises:
        DeployError: the address cannot be used.
    """
    base_url = _parse_url(url)
    is_page = host is not None and not host.has_server
    try:
        if is_page:
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
            listed = send(base_url + APP.models_path, TIMEOUT_SECONDS)
            offered = _names(listed.document)
    except (OSError, HTTPException) as error:
        yield CheckResult("app", State.FAILED, *explain_failure(error, TIMEOUT_SECONDS))
        return
    if not all(NAME.fullmatch(str(text)) for text in (opened, version)) or not (opened and version):
        yield CheckResult("app", State.FAILED, *_explain_reply(reply))
        return
    try:
        expected = find_expected(model or str(opened), "the app has", host)
    except LoupeError as error:
        message = f"the app opens '{opened}', version {version}. Here: {error}"
        yield CheckResult("model", State.FAILED, message, "This lists yours: python -m model list")
        return
    yield expected.compare(opened, version, offered, "as the app reports it")
    if model is None and (own := default_model()) != opened:
        message = f"on this machine '{own}' opens; to expect it there, add --model {own}"
        yield CheckResult("model", State.NOTE, message)


def _parse_url(url: str) -> str:
    """Return the address without a slash at its end, a query or a fragment.

    Raises:
        DeployError: it is not the address of a page.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.hostname or "@" in parts.netloc:
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
        return CheckResult("scripts", State.OK, f"sent as {script.media_type}")
    message = f"sent as {script.media_type or 'nothing'}, which browsers don't run"
    fix = "Have the server send .js files as text/javascript."
    return CheckResult("scripts", State.FAILED, message, fix)


def _names(document: dict[str, Any]) -> list[object]:
    entries = document.get("models")
    models = entries if isinstance(entries, list) else []
    return [entry.get("name") for entry in models if isinstance(entry, dict)]
