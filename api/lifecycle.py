"""Start, health and graceful stop of the server."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from types import FrameType
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from model import LoupeError, load
from model.answer.share_link import signing_secret
from model.backup_zip import CORRECTIONS_FILE
from model.browser.cache import find_folder, folder_maker
from model.browser.device_files import device_name, needs_runtime
from model.browser.page_files import PARTS, compress_all, find_compressed
from model.browser.runtime import find_npm, runtime_dir, runtime_name
from model.bundle import list_public
from model.errors import EngineUnavailable
from model.events import subscribe
from model.model_store import store_follower
from model.resources import configure_malloc
from model.settings import WEAK_KEY, settings
from model.storage.disk import make_private

from . import telemetry
from .body_limits import trim_after_uploads
from .dispatcher import dispatcher

NO_STORE = {"Cache-Control": "no-store"}

STORE_SECONDS = 60
"""Longest wait for the model store before the server accepts connections, in seconds."""

log = logging.getLogger("loupe")


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[dict[str, Any] | None]:
    """Load and test the default model before the first visitor; shut down in order at the end.

    A model that can't be loaded does not stop the app: the page says what is wrong, and
    ``/api/ready`` stays at 503.
    """
    configure_malloc()
    telemetry.protect_log()
    watch_signals()
    if settings().has_weak_key:
        log.warning("%s", WEAK_KEY)
    with ExitStack() as stack:
        stack.callback(subscribe(telemetry.metrics().count))
        if settings().log == "json":
            telemetry.log_json()
            stack.callback(subscribe(telemetry.log_event))
        if settings().database.get_secret_value():
            # In a thread, because photos can be identified before the database responds.
            threading.Thread(target=_open_database, name="corrections", daemon=True).start()
        await asyncio.to_thread(signing_secret)
        # Earlier versions created the file readable for all users of the machine.
        make_private(settings().data / CORRECTIONS_FILE)
        await _wait_for_store()
        try:
            await asyncio.to_thread(load)
        except LoupeError as error:
            log.error("%s: %s", error.code, error)
        await asyncio.to_thread(_prepare_files)
        stack.callback(asyncio.create_task(trim_after_uploads()).cancel)
        yield None
        dispatcher().stopping = True
        dispatcher().close()
        log.info("stopped")


async def _wait_for_store() -> None:
    """Wait for the first comparison with the model store: a proxy may send photos right away."""
    follower = store_follower()
    for _ in range(STORE_SECONDS * 10):
        if follower is None or follower.compared.is_set() or dispatcher().stopping:
            return
        await asyncio.sleep(0.1)


def _store_problems() -> dict[str, Any]:
    """Return which versions of the model store couldn't be loaded; empty if all were."""
    follower = store_follower()
    problems = follower.report() if follower else []
    return {"store": problems} if problems else {}


def _open_database() -> None:
    """Open the database, so that an unreachable one is logged at start.

    Only for a database that is set: opening the default file costs memory that most
    processes never need.
    """
    from model.corrections import correction_store

    try:
        correction_store()
    except LoupeError as error:
        log.error("%s: %s", error.code, error)


def _prepare_files() -> None:
    """Make in the background what browsers load, where no image's build has made it.

    Runs after the model is loaded. Streamlit's files are sent plain until they are compressed, and
    models don't wait.
    """
    made = [bundle for bundle in list_public() if find_folder(device_name(bundle))]
    if any(map(needs_runtime, made)) and find_npm() and find_folder(runtime_name()) is None:
        folder_maker().request(runtime_name(), runtime_dir)
    if len(find_compressed()) < len(PARTS):
        threading.Thread(target=_compress_files, name="compress", daemon=True).start()


def _compress_files() -> None:
    try:
        compress_all()
    except OSError as error:
        log.warning("%s", error)


async def live(_: Request) -> JSONResponse:
    """Respond with 200 while the process runs."""
    return JSONResponse({"status": "live"}, headers=NO_STORE)


async def ready(_: Request) -> JSONResponse:
    """Respond with 200 once the default model has passed its golden test, else with 503.

    Also with 503 once the server is stopping, so that a proxy sends visitors elsewhere, and until
    the versions of the model store have been compared. ``store`` lists those that couldn't be
    loaded; with the previous ones the server is ready.
    """
    if dispatcher().stopping:
        return _not_ready("stopping")
    try:
        classifier = await run_in_threadpool(load)
    except EngineUnavailable as error:
        return _not_ready(error.code, detail=str(error))
    except LoupeError as error:
        # The message names files of this machine and belongs in the log.
        return _not_ready(error.code, **_store_problems())
    bundle = classifier.bundle
    return JSONResponse(
        {
            "status": "ready",
            "model": bundle.name,
            "version": bundle.version,
            "engine": classifier.engine.name,
            **_store_problems(),
        },
        headers=NO_STORE,
    )


def _not_ready(code: str, **more: Any) -> JSONResponse:
    return JSONResponse({"status": "not ready", "code": code, **more}, 503, headers=NO_STORE)


def watch_signals() -> None:
    """Reject new requests from the signal on, before the server's own handler runs.

    Between the signal and the moment when the server closes its sockets, requests still
    arrive on open connections. The server would accept them and then wait for them. Call this
    after the server has set its handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(number)

        def stop(signum: int, frame: FrameType | None, previous: object = previous) -> None:
            dispatcher().stopping = True
            if callable(previous):
                previous(signum, frame)

        if callable(previous):
            signal.signal(number, stop)
