"""The default model is loaded before the first visitor arrives."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from model import LoupeError, load
from model.machine import few_arenas

__all__ = ["warm"]

log = logging.getLogger("loupe")


@asynccontextmanager
async def warm(_: Any) -> AsyncIterator[dict[str, Any] | None]:
    """Load the model that the first screen opens, its golden answers checked.

    A refusal does not stop the app: the screen says what is wrong, and
    ``/api/ready`` stays at 503.
    """
    few_arenas()
    try:
        await asyncio.to_thread(load)
    except LoupeError as error:
        log.error("%s: %s", error.code, error)
    yield None
