"""A client of a running app: replies of bounded size, the model that it opens, check results."""

import json
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from socket import gaierror
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPCookieProcessor,
    HTTPRedirectHandler,
    ProxyHandler,
    Request,
    build_opener,
)

from model.bundle import Bundle, get_bundle
from model.loading import default_model

from .host import Host
from .spec import APP, DeployError

MAX_REPLY_BYTES = 2**22
"""Longest reply that is read, in bytes; the rest is dropped."""
CHUNK_BYTES = 2**16

SCHEMES = ("http", "https")
LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
"""Names of this machine, for which no proxy is used."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response of any status."""

    status: int
    text: str
    media_type: str = ""
    """Empty if the response has none."""

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object in the response, empty if there is none."""
        try:
            document = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


class _Redirects(HTTPRedirectHandler):
    """Redirects to http and https only; by default urllib follows those to ftp as well."""

    def redirect_request(self, req: Request, *args: Any) -> Request | None:
        if urlsplit(args[-1]).scheme not in SCHEMES:
            return None
        return super().redirect_request(req, *args)


def send(
    url: str,
    timeout_seconds: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send a request, POST if it has a body, and return the response.

    The address's scheme must be http or https; the time limit is for the whole response.

    Raises:
        OSError, http.client.HTTPException: no response arrived.
    """
    deadline = time.monotonic() + timeout_seconds
    request = Request(url, body, dict(headers or {}))  # noqa: S310 - every caller checks the scheme
    # Community Cloud redirects in a loop unless its cookies come back.
    handlers = [_Redirects, HTTPCookieProcessor]
    opener = build_opener(*handlers)
    if urlsplit(url).hostname in LOCAL_HOSTS:
        opener = build_opener(*handlers, ProxyHandler({}))
    try:
        response = opener.open(request, timeout=timeout_seconds)
    except HTTPError as error:
        response = error
    with response:
        content = b""
        while len(content) < MAX_REPLY_BYTES and (chunk := response.read1(CHUNK_BYTES)):
            content += chunk
            if time.monotonic() > deadline:
                raise TimeoutError(f"The response takes longer than {timeout_seconds:g} s.")
        media_type = (response.headers["Content-Type"] or "").partition(";")[0].strip().lower()
        return Reply(response.status, content.decode(errors="replace"), media_type)


def explain_failure(error: Exception, timeout_seconds: float) -> tuple[str, str]:
    """Return the reason why ``send``, given that time, got no response, and what to do."""
    # urllib wraps errors of the connection.
    match getattr(error, "reason", error):
        case ssl.SSLCertVerificationError() as cause:
            message = f"the certificate isn't valid: {cause.verify_message}"
            return message, "A new domain needs minutes until the host has its certificate."
        case ssl.SSLError():
            return "there is no HTTPS at this address", "Try http:// instead of https://."
        case gaierror():
            return "there is no host of that name", "Check the address."
        case TimeoutError():
            return f"no response in {timeout_seconds:g} s", "Check that the app runs."
        case OSError() as cause:
            return f"not reachable: {cause.strerror or 'no connection'}", "Check that the app runs."
        case _:
            return "the response isn't HTTP", "Check the address and its port."


def list_offered(base_url: str, timeout_seconds: float) -> list[str]:
    """Return the names of the models that a visitor of an app can choose; see ``send``."""
    models = send(base_url + APP.models_path, timeout_seconds).document.get("models")
    entries = models if isinstance(models, list) else []
    return [str(entry.get("name")) for entry in entries if isinstance(entry, dict)]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: its subject, outcome and message, and what to do if it failed."""

    subject: str
    state: Literal["ok", "note", "failed"]
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedModel:
    """The model that an app should open."""

    bundle: Bundle
    """The model on this machine."""
    place: str
    """The place that should have it, for messages: “the host's files have no model …”."""
    update: str
    """The command that puts the model into the host's files."""

    @classmethod
    def find(cls, name: str | None, place: str, host: Host | None) -> "ExpectedModel":
        """Return the model of that name; by default the one that opens on this machine.

        Raises:
            DeployError: this machine has no models.
            BundleError: no model has that name, or it is damaged.
        """
        name = name or default_model()
        if name is None:
            raise DeployError("This machine has no model to compare with. Import or train one.")
        app = replace(APP, models=(name,))
        update = host.update_command(app) if host else f"python -m deploy write HOST{app.options}"
        return cls(get_bundle(name), place, update)

    def compare(
        self, name: object, version: object, offered: Iterable[object], proof: str
    ) -> CheckResult:
        """Compare the model that opens with the expected one.

        Args:
            name: the name of the model that opens; None or empty if none does.
            version: its version.
            offered: the names of all models that a visitor can choose.
            proof: the test of its files, for the message.
        """
        expected, fix = self.bundle, self.update
        if (name, version) == (expected.name, expected.version):
            message = f"'{name}', version {version}, as on this machine; {proof}"
            return CheckResult("model", "ok", message)
        if name == expected.name:
            message = f"'{name}' is version {version}, but on this machine it is {expected.version}"
            fix = f"Update it: {fix}"
        elif name and expected.name in offered:
            message = f"the app opens '{name}', and offers '{expected.name}' beside it"
            fix = f"Name '{expected.name}' first: {fix}"
        else:
            other = f"; the app opens '{name}'" if name else ""
            message = f"{self.place} no model '{expected.name}'{other}"
        return CheckResult("model", "failed", message, fix)
