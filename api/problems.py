"""Errors as RFC 9457 problems: ``application/problem+json`` with the codes of ``model.errors``."""

import logging
import re
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from model import LoupeError
from model.errors import Busy
from model.events import emit_error

log = logging.getLogger("loupe.api")

RETRY_AFTER_SECONDS = 2
"""Wait before a retry, in seconds: two cores work through a full queue in that time."""

NO_ROUTE = "No such route. See /api/v1/docs."


class BodyTooSlow(LoupeError, code="too-slow"):
    """A body that did not arrive in time."""


class Invalid(LoupeError, code="invalid"):
    """A parameter with an invalid name or value."""


class CrossSite(LoupeError, code="cross-site"):
    """A request from a page of another site."""


class NoSession(LoupeError, code="no-session"):
    """A request of a page whose session has ended, or that never had one."""


class Malformed(LoupeError, code="malformed"):
    """A body or header that can't be parsed."""


class Stopping(Busy, code="stopping"):
    """A request to a server that is shutting down."""


KINDS = {
    "malformed": (400, "Malformed request"),
    "missing": (400, "No photo in the request"),
    "empty": (400, "Empty photo"),
    "cross-site": (403, "Cross-site request blocked"),
    "no-session": (403, "No session"),
    "owner-refused": (403, "For the owner"),
    "no-such-model": (404, "No such model"),
    "no-such-correction": (404, "No such correction"),
    "not-found": (404, "Not found"),
    "method-not-allowed": (405, "Method not allowed"),
    "folder-exists": (409, "Already exists"),
    "other-version": (409, "Another version of the model"),
    "too-slow": (408, "Upload timed out"),
    "too-large": (413, "Too many bytes"),
    "too-many-pixels": (413, "Too many pixels"),
    "unsupported-format": (415, "Unsupported file type"),
    "too-small": (422, "Too few pixels"),
    "damaged": (422, "Damaged photo"),
    "invalid": (422, "Invalid parameter"),
    "archive-refused": (422, "Zip rejected"),
    "link-refused": (422, "Link rejected"),
    "misdirected": (421, "Not this app's name"),
    "too-many-tries": (429, "Too many tries"),
    "too-many-corrections": (429, "Too many corrections"),
    "busy": (503, "Busy"),
    "stopping": (503, "Shutting down"),
    "store-pending": (503, "Models not loaded yet"),
    "data-refused": (503, "Data unavailable"),
    "engine-unavailable": (503, "Service unavailable"),
    "bundle": (503, "Service unavailable"),
    "bundle-damaged": (503, "Service unavailable"),
    "bundle-too-new": (503, "Service unavailable"),
    "golden-mismatch": (503, "Service unavailable"),
    "corrections-full": (507, "No more corrections"),
}
"""HTTP status and title of each code, 500 for all others."""

PRIVATE_PREFIXES = ("bundle", "golden")
"""Prefixes of codes whose messages name files on this machine."""


class Problem(BaseModel):
    """An error (RFC 9457). ``code`` is stable and for programs, ``detail`` for people."""

    type: str = Field(description="urn:loupe:, then the code")
    title: str
    status: int
    detail: str = Field(description="What happened and what to do")
    code: str


def problem(code: str, detail: str, status: int = 500, **headers: str) -> JSONResponse:
    """Return the response to a request that failed; ``status`` is for codes without a kind."""
    status, title = KINDS.get(code, (status, HTTPStatus(status).phrase))
    body = Problem(type=f"urn:loupe:{code}", title=title, status=status, detail=detail, code=code)
    all_headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers}
    if status == 503:
        all_headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return JSONResponse(
        body.model_dump(), status, all_headers, media_type="application/problem+json"
    )


def error_response(error: LoupeError) -> JSONResponse:
    """Return an error as a problem; a message meant only for the owner goes to the log."""
    emit_error(error)
    if error.code.startswith(PRIVATE_PREFIXES):
        log.error("%s: %s", error.code, error)
        return problem(
            error.code,
            "This model can't be used right now. If you run this server, `python -m model verify` "
            "tells you why.",
        )
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    return problem(error.code, str(error), 500, **headers)


async def _loupe_error(_: Request, error: Any) -> JSONResponse:
    return error_response(error)


async def _http_error(_: Request, error: Any) -> JSONResponse:
    """Return a problem for a request that the framework rejects: a path, a method, a form."""
    mismatch = (
        "The body doesn't match its Content-Type. Send the photo's bytes, or a form as "
        "multipart/form-data."
    )
    code, detail = {
        400: ("malformed", mismatch),
        404: ("not-found", NO_ROUTE),
        405: ("method-not-allowed", "This route doesn't accept that method. See /api/v1/docs."),
    }.get(error.status_code, ("error", HTTPStatus(error.status_code).phrase))
    return problem(code, detail, error.status_code, **dict(error.headers or {}))


async def _validation_error(_: Request, error: Any) -> JSONResponse:
    details = error.errors()[0]
    if details["type"] == "json_invalid":
        return error_response(Malformed("The body is not valid JSON."))
    message = "Unknown parameter" if details["type"] == "extra_forbidden" else details["msg"]
    # A client's text is repeated only if it looks like a name.
    steps = [str(step) for step in details["loc"] if step not in ("query", "path", "body")]
    path = " ".join(step for step in steps if re.fullmatch(r"[\w.-]{1,40}", step, re.ASCII))
    text = f"{path}: {message}" if path else message
    return error_response(Invalid(f"{text.removesuffix('.')}. See /api/v1/docs."))


async def _client_closed(_: Request, __: Any) -> Response:
    # The client has disconnected and reads nothing; proxies log this as 499.
    return Response(status_code=499)


async def _unexpected_error(_: Request, __: Any) -> JSONResponse:
    return problem("error", "Internal error. The server log has the details.")


ERROR_HANDLERS: dict[Any, Any] = {
    LoupeError: _loupe_error,
    HTTPException: _http_error,
    RequestValidationError: _validation_error,
    ValidationError: _validation_error,
    ClientDisconnect: _client_closed,
    Exception: _unexpected_error,
}
"""Handlers that turn every error of an application into a problem."""
