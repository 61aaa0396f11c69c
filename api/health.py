"""Alive, and ready: what hosts ask before they send visitors."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from model import LoupeError, load

from .dispatcher import dispatcher

__all__ = ["live", "ready"]

FRESH = {"Cache-Control": "no-store"}


async def live(_: Request) -> JSONResponse:
    """200 while the process answers at all."""
    return JSONResponse({"status": "live"}, headers=FRESH)


async def ready(_: Request) -> JSONResponse:
    """200 once the default model gives its golden answers, 503 with the reason before.

    And 503 again once the server is stopping, so that a proxy sends visitors elsewhere.
    """
    if dispatcher().stopping:
        return JSONResponse({"status": "not ready", "code": "stopping"}, 503, headers=FRESH)
    try:
        classifier = await run_in_threadpool(load)
    except LoupeError as error:
        # The message names files of this machine: that is for the log, not for strangers.
        return JSONResponse({"status": "not ready", "code": error.code}, 503, headers=FRESH)
    bundle = classifier.bundle
    return JSONResponse(
        {
            "status": "ready",
            "model": bundle.name,
            "version": bundle.version,
            "engine": classifier.engine.name,
        },
        headers=FRESH,
    )
