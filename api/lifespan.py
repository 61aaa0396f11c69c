"""Before the first visitor and after the last: the model, the log, the counting, the stop."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from model import LoupeError, load
from model.events import subscribe
from model.resources import limit_malloc_arenas
from model.settings import settings

from . import shutdown, telemetry
from .dispatcher import dispatcher

__all__ = ["warm"]

log = logging.getLogger("loupe")


@asynccontextmanager
async def warm(_: Any) -> AsyncIterator[dict[str, Any] | None]:
    """Load the model that the first screen opens, its golden answers checked.

    A refusal does not stop the app: the screen says what is wrong, and
    ``/api/ready`` stays at 503.
    """
    limit_malloc_arenas()
    telemetry.discreet()
    shutdown.watch()
    with ExitStack() as stack:
        stack.callback(subscribe(telemetry.metrics().count))
        if settings().log == "json":
            telemetry.log_json()
            stack.callback(subscribe(telemetry.note))
        if settings().database.get_secret_value():
            # Nobody waits for it: photos are answered without a database.
            threading.Thread(target=_records, name="records", daemon=True).start()
        try:
            await asyncio.to_thread(load)
        except LoupeError as error:
            log.error("%s: %s", error.code, error)
        yield None
        shutdown.begin()
        dispatcher().close()
        log.info("stopped")


def _records() -> None:
    """Say at once, and not with the first correction, that the database is out of reach.

    Only one that is named: opening the usual file costs memory that most visits do not need.
    """
    from model.corrections import correction_store

    try:
        correction_store()
    except LoupeError as error:
        log.error("%s: %s", error.code, error)
