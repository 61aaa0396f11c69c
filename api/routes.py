"""All routes that stand beside the screen."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from model import LoupeError, load

__all__ = ["routes"]

FRESH = {"Cache-Control": "no-store"}


async def live(_: Request) -> JSONResponse:
    """200 while the process answers at all."""
    return JSONResponse({"status": "live"}, headers=FRESH)


async def ready(_: Request) -> JSONResponse:
    """200 once the default model gives its golden answers, 503 with the reason before."""
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


routes: list[BaseRoute] = [Route("/api/live", live), Route("/api/ready", ready)]
