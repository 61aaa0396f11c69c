"""Errors as RFC 9457 problems: ``application/problem+json`` with the codes of ``model.errors``."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from model import LoupeError
from model.errors import Busy
from model.events import emit_error

__all__ = [
    "NO_ROUTE",
    "STATUSES",
    "BodyTooSlow",
    "CrossSite",
    "Invalid",
    "Malformed",
    "Problem",
    "Stopping",
    "add_error_handlers",
    "error_response",
    "problem",
]

log = logging.getLogger("loupe.api")

RETRY_AFTER_SECONDS = 2
"""Wait before a retry, in seconds: two cores work through a full queue in that time."""

NO_ROUTE = "No such route. See /api/v1/docs."


class BodyTooSlow(LoupeError):
    """A body that did not arrive in time."""

    code = "too-slow"


class Invalid(LoupeError):
    """A parameter with an invalid name or value."""

    code = "invalid"


class CrossSite(LoupeError):
    """A request from a page of another site."""

    code = "cross-site"


class Malformed(LoupeError):
    """A body or header that can't be parsed."""

    code = "malformed"


class Stopping(Busy):
    """A request to a server that is shutting down."""

    code = "stopping"


STATUSES = {
    "malformed": 400,
    "missing": 400,
    "empty": 400,
    "cross-site": 403,
    "no-such-model": 404,
    "not-found": 404,
    "too-slow": 408,
    "too-large": 413,
    "too-many-pixels": 413,
    "unsupported-format": 415,
    "too-small": 422,
    "damaged": 422,
    "invalid": 422,
    "archive-refused": 422,
    "busy": 503,
    "stopping": 503,
    "data-refused": 503,
    "engine-unavailable": 503,
    "bundle": 503,
    "bundle-damaged": 503,
    "bundle-too-new": 503,
    "golden-mismatch": 503,
}
"""HTTP status of each code, 500 for all others."""

TITLES = {
    "malformed": "Malformed request",
    "missing": "No photo in the request",
    "empty": "Empty photo",
    "cross-site": "Cross-site request blocked",
    "no-such-model": "No such model",
    "not-found": "Not found",
    "too-slow": "Upload timed out",
    "too-large": "Too many bytes",
    "too-many-pixels": "Too many pixels",
    "unsupported-format": "Unsupported file type",
    "too-small": "Too few pixels",
    "damaged": "Damaged photo",
    "invalid": "Invalid parameter",
    "archive-refused": "Zip rejected",
    "busy": "Busy",
    "stopping": "Shutting down",
    "data-refused": "Corrections unavailable",
}

PRIVATE_PREFIXES = ("bundle", "golden", "engine")
"""Prefixes of codes whose messages name files on this machine."""


class Problem(BaseModel):
    """An error (RFC 9457). ``code`` is stable and for programs, ``detail`` for people."""

    type: str = Field(description="urn:loupe:, then the code")
    title: str
    status: int
    detail: str = Field(description="What happened and what to do")
    code: str


def problem(code: str, detail: str, status: int | None = None, **headers: str) -> JSONResponse:
    """Return the response to a request that failed."""
    status = status or STATUSES.get(code, 500)
    title = TITLES.get(code) or HTTPStatus(status).phrase
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
    return problem(error.code, str(error))


def add_error_handlers(app: Starlette) -> None:
    """Turn every error of an application into a problem."""
    app.add_exception_handler(LoupeError, _loupe_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ValidationError, _validation_error)
    app.add_exception_handler(ClientDisconnect, _client_closed)
    app.add_exception_handler(Exception, _unexpected_error)


async def _loupe_error(_: Request, error: Any) -> JSONResponse:
    return error_response(error)


async def _http_error(_: Request, error: Any) -> JSONResponse:
    """Return a request that the framework rejects as a problem: a path, a method, a form."""
    codes = {400: "malformed", 404: "not-found", 405: "method-not-allowed", 416: "no-such-range"}
    details = {
        400: "The body doesn't match its Content-Type. Send the photo's bytes, or a form as "
        "multipart/form-data.",
        404: NO_ROUTE,
        405: "This route doesn't accept that method. See /api/v1/docs.",
        416: "The file has no such range. Content-Range gives its size in bytes.",
    }
    status = error.status_code
    detail = details.get(status, HTTPStatus(status).phrase)
    return problem(codes.get(status, "error"), detail, status, **dict(error.headers or {}))


async def _validation_error(_: Request, error: Any) -> JSONResponse:
    details = error.errors()[0]
    if details["type"] == "json_invalid":
        return error_response(Malformed("The body is not valid JSON."))
    path = [str(step) for step in details["loc"] if step not in ("query", "path", "body", "header")]
    # The value is a client's text, so it is never repeated.
    message = f"{' '.join(path)[:100]}: {details['msg']}" if path else details["msg"]
    end = "" if message.endswith((".", "?")) else "."
    return error_response(Invalid(f"{message}{end} See /api/v1/docs."))


async def _client_closed(_: Request, __: Any) -> Response:
    # The client has disconnected and reads nothing; proxies log this as 499.
    return Response(status_code=499)


async def _unexpected_error(_: Request, __: Any) -> JSONResponse:
    return problem("error", "Internal error. The server log has the details.", 500)
