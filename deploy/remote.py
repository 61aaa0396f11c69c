"""A running app, asked at its address which model it opens."""

from collections.abc import Iterator
from http.client import HTTPException
from urllib.parse import quote, urlsplit

from model import LoupeError
from model.classifier import default_model

from .check import CheckResult, State
from .client import SCHEMES, Reply, explain_failure, send
from .errors import DeployError
from .host import Host
from .served_model import MODELS_PATH, NAME, check_identity, find_expected
from .spec import APP

__all__ = ["check_url"]

TIMEOUT_SECONDS = 60
"""Longest wait for one response, in seconds: on some hosts a request first wakes the app."""

COMMUNITY_CLOUD = ".streamlit.app"
COMMUNITY_CLOUD_PATH = "/~/+"
"""Where Community Cloud serves the app; at the address for people is a frame around it."""


def check_url(
    url: str, model: str | None = None, host: Host | None = None
) -> Iterator[CheckResult]:
    """Ask a running app which model and version it opens; yield the results.

    Args:
        url: address of its page.
        model: the model that it should open; by default any, compared with this machine's of
            the same name.
        host: where it runs, for the command that updates it.

    Raises:
        DeployError: the address cannot be used.
    """
    base_url = _parse_url(url)
    if host and not host.has_server:
        from .page_check import check_page_at

        yield from check_page_at(base_url, model, host)
        return
    try:
        ready = send(base_url + APP.ready_path, TIMEOUT_SECONDS)
        if failure := _find_failure(ready):
            yield CheckResult("app", State.FAILED, *failure)
            return
        offered = send(base_url + MODELS_PATH, TIMEOUT_SECONDS).document.get("models")
    except (OSError, HTTPException) as error:
        yield CheckResult("app", State.FAILED, *explain_failure(error, TIMEOUT_SECONDS))
        return
    opened, version = ready.document["model"], ready.document["version"]
    try:
        expected = find_expected(model or opened, "the app has", host)
    except LoupeError as error:
        message = f"the app opens '{opened}', version {version}. Here: {error}"
        yield CheckResult("model", State.FAILED, message, "This lists yours: python -m model list")
        return
    yield check_identity(ready, offered if isinstance(offered, list) else [], expected)
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


def _find_failure(ready: Reply) -> tuple[str, str] | None:
    """Return why a response is not that of an app that is ready, and what to do; None if it is."""
    status, document = ready.status, ready.document
    name, version, code = (str(document.get(key, "")) for key in ("model", "version", "code"))
    if status == 200 and NAME.fullmatch(name) and NAME.fullmatch(version):
        return None
    if status == 503 and document.get("status") == "not ready" and NAME.fullmatch(code):
        return f"Loupe runs there, but it isn't ready: {code}", "Its log says more."
    if (urlsplit(ready.url).hostname or "").endswith((COMMUNITY_CLOUD, "share.streamlit.io")):
        message = "Community Cloud shows a page of its own: the app sleeps, starts or is private"
        return message, "Open the address in a browser, wake the app, and check again."
    if status == 200 and "Streamlit" in ready.text:
        message = "Streamlit runs there without Loupe's routes, so it can't be asked for its model"
        return message, "Start streamlit_app.py itself, with the version in requirements.txt."
    if 300 <= status < 400:
        return f"redirects lead nowhere (HTTP {status})", "Open the address in a browser."
    if status in (401, 403):
        return f"the host asks for a sign-in (HTTP {status})", "Make the app public, then check."
    if status >= 500:
        message = f"the host can't reach the app (HTTP {status})"
        return message, "It may still be starting: check again, then read the host's log."
    return f"not Loupe: {APP.ready_path} answers with HTTP {status}", "Check the address."
