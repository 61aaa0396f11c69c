"""Refusals as RFC 9457 problems: ``application/problem+json`` with intake's codes."""

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
    "STATUSES",
    "BodyTooSlow",
    "CrossSite",
    "Invalid",
    "Malformed",
    "Problem",
    "Stopping",
    "handle",
    "problem",
    "refusal",
    "status_of",
]

log = logging.getLogger("loupe.api")

RETRY_SECONDS = 2
"""When to ask again: a full queue of photos is answered by then on two cores."""


class BodyTooSlow(LoupeError):
    """The body did not come in time."""

    code = "too-slow"


class Invalid(LoupeError):
    """A parameter has a value that is not usable."""

    code = "invalid"


class CrossSite(LoupeError):
    """A page of a site that may not ask."""

    code = "cross-site"


class Malformed(LoupeError):
    """The body or a parameter is not what it says that it is."""

    code = "malformed"


class Stopping(Busy):
    """The server is on its way out: another one, or the next, answers."""

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
"""The status of each code; what is not named here is a 500."""

TITLES = {
    "malformed": "The request cannot be read",
    "missing": "There is no photo in the request",
    "empty": "The photo is empty",
    "cross-site": "Pages of other sites may not ask",
    "no-such-model": "There is no such model",
    "not-found": "There is nothing here",
    "too-slow": "The photo came too slowly",
    "too-large": "Too many bytes",
    "too-many-pixels": "Too many pixels",
    "unsupported-format": "Not a kind of photo that is read",
    "too-small": "Too few pixels",
    "damaged": "The photo is damaged",
    "invalid": "A parameter is not usable",
    "archive-refused": "The zip is refused",
    "busy": "Busy",
    "stopping": "Stopping",
    "data-refused": "The records cannot be used",
}

OURS = ("bundle", "golden", "engine")
"""Beginnings of codes whose messages name files of this machine."""


class Problem(BaseModel):
    """A refusal (RFC 9457). ``code`` is stable and for programs, ``detail`` for people."""

    type: str = Field(description="urn:loupe: and the code")
    title: str
    status: int
    detail: str = Field(description="What was wrong and what to do about it")
    code: str


def problem(code: str, detail: str, status: int | None = None, **headers: str) -> JSONResponse:
    """The answer to a refused request."""
    status = status or STATUSES.get(code, 500)
    title = TITLES.get(code) or HTTPStatus(status).phrase
    body = Problem(type=f"urn:loupe:{code}", title=title, status=status, detail=detail, code=code)
    sent = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers}
    if status == 503:
        sent.setdefault("Retry-After", str(RETRY_SECONDS))
    return JSONResponse(body.model_dump(), status, sent, media_type="application/problem+json")


def status_of(error: LoupeError) -> int:
    """The HTTP status of a refusal."""
    return STATUSES.get(error.code, 500)


def refusal(error: LoupeError) -> JSONResponse:
    """A refusal of ours as a problem; what is only for the owner goes to the log."""
    emit_error(error)
    if error.code.startswith(OURS):
        log.error("%s: %s", error.code, error)
        return problem(
            error.code,
            "That model cannot be used here. Whoever runs this server reads the reason with: "
            "python -m model verify",
        )
    return problem(error.code, str(error))


def handle(app: Starlette) -> None:
    """Make every error of an application a problem."""
    app.add_exception_handler(LoupeError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _failed)


async def _refused(_: Request, error: Any) -> JSONResponse:
    return refusal(error)


async def _http(_: Request, error: Any) -> JSONResponse:
    """What the framework refuses: an unknown path, a method, a form that does not parse."""
    codes = {400: "malformed", 404: "not-found", 405: "method-not-allowed", 416: "no-such-range"}
    details = {
        400: "The body does not parse as what its Content-Type says. Send the photo's bytes "
        "alone, or a form as a browser sends it.",
        404: "There is nothing at this address. The addresses are listed at /api/v1/docs.",
        405: "This address takes another method. See /api/v1/docs.",
        416: "The file has no such range. Content-Range says how many bytes it has.",
    }
    status = error.status_code
    detail = details.get(status, HTTPStatus(status).phrase)
    return problem(codes.get(status, "error"), detail, status, **dict(error.headers or {}))


async def _invalid(_: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return refusal(Malformed("The body does not parse as JSON."))
    where = [str(step) for step in first["loc"] if step not in ("query", "path", "body", "header")]
    # The value is not said back: it is a stranger's.
    said = f"{' '.join(where)[:100]}: {first['msg']}" if where else first["msg"]
    return refusal(Invalid(f"{said}. See /api/v1/docs."))


async def _gone(_: Request, __: Any) -> Response:
    # Nobody reads this: it is no fault of ours, and counted and logged as proxies do.
    return Response(status_code=499)


async def _failed(_: Request, __: Any) -> JSONResponse:
    # The server's own log has the traceback, the client only that it is our fault.
    return problem("error", "Something failed here. It is in the server's log.", 500)
