"""Before the first visitor and after the last: the model, the log, the counting, the stop."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from model import LoupeError, load
from model.machine import few_arenas
from model.observation import listen
from model.settings import settings

from . import observe, stop
from .line import line

__all__ = ["warm"]

log = logging.getLogger("loupe")


@asynccontextmanager
async def warm(_: Any) -> AsyncIterator[dict[str, Any] | None]:
    """Load the model that the first screen opens, its golden answers checked.

    A refusal does not stop the app: the screen says what is wrong, and
    ``/api/ready`` stays at 503.
    """
    few_arenas()
    observe.discreet()
    stop.watch()
    with ExitStack() as stack:
        stack.callback(listen(observe.metrics().count))
        if settings().log == "json":
            observe.log_json()
            stack.callback(listen(observe.note))
        if settings().database.get_secret_value():
            # Nobody waits for it: photos are answered without a database.
            threading.Thread(target=_records, name="records", daemon=True).start()
        try:
            await asyncio.to_thread(load)
        except LoupeError as error:
            log.error("%s: %s", error.code, error)
        yield None
        stop.begin()
        line().close()
        log.info("stopped")


def _records() -> None:
    """Say at once, and not with the first correction, that the database is out of reach.

    Only one that is named: opening the usual file costs memory that most visits do not need.
    """
    from model.records import records

    try:
        records()
    except LoupeError as error:
        log.error("%s: %s", error.code, error)
