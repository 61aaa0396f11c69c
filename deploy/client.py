"""HTTP to a running app, with replies of bounded size and time; and free ports for it."""

import json
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPCookieProcessor,
    HTTPRedirectHandler,
    ProxyHandler,
    Request,
    build_opener,
)

MAX_REPLY_BYTES = 2**22
"""Longest reply that is read, in bytes; the rest is dropped."""
CHUNK_BYTES = 2**16

SCHEMES = ("http", "https")
LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
"""Names of this machine, for which no proxy is used."""

ATTEMPTS = 50
"""Number of ports tried, starting at the preferred one."""


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
        case socket.gaierror():
            return "there is no host of that name", "Check the address."
        case TimeoutError():
            return f"no response in {timeout_seconds:g} s", "Check that the app runs."
        case OSError() as cause:
            return f"not reachable: {cause.strerror or 'no connection'}", "Check that the app runs."
        case _:
            return "the response isn't HTTP", "Check the address and its port."


def free_port(first: int | None = None) -> int:
    """Return a free port: any, or the first one from ``first`` upwards.

    Raises:
        OSError: ``ATTEMPTS`` ports from ``first`` upwards are all in use.
    """
    ports = [0] if first is None else range(first, first + ATTEMPTS)
    for port in ports:
        # Ports of connections that closed a moment ago count as free.
        with suppress(OSError), socket.create_server(("", port)) as server:
            return int(server.getsockname()[1])
    raise OSError(f"Ports {ports[0]} to {ports[-1]} are all in use.")
