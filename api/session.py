"""``/api/session/``: the requests of the app's own pages, besides Streamlit's websocket.

They are operations of ``/api/v1`` for which a page sends the token of its Streamlit session. They
may change with the page, so the OpenAPI document doesn't list them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from weakref import WeakValueDictionary

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from model import Classifier, load
from model.admission import Lane, admission_queue
from model.answer.answer_json import answer_to_json
from model.answer.share_link import MAX_TOKEN_LENGTH
from model.corrections.page_sessions import page_sessions
from model.engine_info import ServerEngine
from model.errors import Busy
from model.explanation import map_to_json
from model.pixels import read_pixels
from model.preprocess import Pixels

from .body_limits import PHOTO_BYTES, limited_body
from .dispatcher import dispatcher
from .middleware import guarded_app
from .problems import NoSession
from .sites import CsrfMiddleware
from .v1.identify import identify_request
from .v1.params import (
    BatchParams,
    Label,
    ModelName,
    Params,
    Upload,
    parse_form,
    text_fields,
)

HEADER = "Loupe-Session"
"""The header with the session's token. Other sites' pages can't send it without permission."""

MAX_LABELS = 20
"""Most labels of one correction, as in ``model.corrections``, whose import loads SQLAlchemy."""

LANE: Lane = "screen"
"""The lane of these photos: a page's visitor doesn't wait for all of the API's photos."""

TURN_SECONDS = 2.0
"""Longest wait for the session's previous photo, in seconds; a page cancels that one first."""

_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""A lock for each session with a photo in flight, by its token."""


class PhotoParams(BatchParams):
    """Parameters of ``photo`` and ``explanation``."""

    engine: ServerEngine | None = None


class PixelParams(PhotoParams):
    """Parameters of ``pixels`` and ``pixels/explanation``: see ``read_pixels``."""

    version: Annotated[str, Field(max_length=64)]
    packed: bool = False


class CorrectionParams(Params):
    """Parameters of ``correction``: what the photo shows, and the token of the answer's link."""

    model: ModelName = None
    engine: ServerEngine | None = None
    token: Annotated[str, Field(max_length=MAX_TOKEN_LENGTH)] = ""
    label: Annotated[list[Label], Field(min_length=1, max_length=MAX_LABELS)]


def session_routes() -> list[BaseRoute]:
    """Return the routes below ``/api/session``."""
    routes = [
        _photo_route("/photo", PhotoParams, _answer),
        _photo_route("/pixels", PixelParams, _answer),
        _photo_route("/explanation", PhotoParams, _explain),
        _photo_route("/pixels/explanation", PixelParams, _explain),
        Route("/correction", correction, methods=["POST"]),
    ]
    return [Mount("/api/session", app=guarded_app(routes, Middleware(CsrfMiddleware)))]


async def correction(request: Request) -> JSONResponse:
    """Save the labels of a form for the answer with its link, or for the form's photo.

    The page sends the photo only with the visitor's consent.
    """
    token = _check_session(request)
    async with limited_body(request, PHOTO_BYTES) as body:
        async with parse_form(body, max_files=1) as form:
            values = {**request.query_params, **text_fields(form), "label": form.getlist("label")}
            params = CorrectionParams.model_validate(values)
            file = form.get("photo")
            data = await file.read() if isinstance(file, UploadFile) else None
        identification = None
        if data is not None:
            async with _turn(token):
                identification = await dispatcher().run(
                    lambda: load(params.model, params.engine).local.identify_detailed(data),
                    request.is_disconnected,
                    LANE,
                )
        # Without a slot, so that photos do not wait for a slow database.
        number = await run_in_threadpool(
            page_sessions.save_correction, token, params.token, params.label, identification
        )
        return JSONResponse({"number": number}, 201)


def _check_session(request: Request) -> str:
    """Return the token of the request's session.

    Raises:
        NoSession: no session has this token.
        Stopping, Busy: see ``Dispatcher.check``.
    """
    token = request.headers.get(HEADER, "")
    if not page_sessions.is_open(token):
        raise NoSession("This page's session has ended. Reload the page, then try again.")
    dispatcher().check(LANE)
    return token


@asynccontextmanager
async def _turn(token: str) -> AsyncIterator[None]:
    """Hold the only slot of a session; its uploads may arrive meanwhile.

    Raises:
        Busy: the session's previous photo takes too long.
    """
    lock = _turns.setdefault(token, asyncio.Lock())
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await lock.acquire()
    except TimeoutError:
        raise Busy("Your previous photo is still being identified. Try again.") from None
    try:
        yield
        page_sessions.note_photo(token)
    finally:
        lock.release()


def _photo_route(
    path: str, kind: type[PhotoParams], respond: Callable[[Upload, PhotoParams], dict[str, Any]]
) -> Route:
    """Return a route that takes a photo, or the pixels that the browser has made of one."""

    async def identify(request: Request) -> JSONResponse:
        turn = _turn(_check_session(request))
        params = kind.model_validate(dict(request.query_params))
        return await identify_request(request, params, respond, LANE, turn)

    return Route(path, identify, methods=["POST"])


def _source(upload: Upload, params: PhotoParams, classifier: Classifier) -> bytes | Pixels:
    if not isinstance(params, PixelParams):
        return upload.data
    return read_pixels(upload.data, classifier.bundle, params.version, packed=params.packed)


def _answer(upload: Upload, params: PhotoParams) -> dict[str, Any]:
    """Return the answer; ``queue_ms`` is the wait for a free core since the photo arrived."""
    # Reuses the slot of this thread.
    with admission_queue().acquire() as admission:
        queue_seconds = time.perf_counter() - upload.received
        classifier = load(params.model, params.engine)
        prediction = classifier.identify(_source(upload, params, classifier))
        queue_seconds += admission.large_wait_seconds
    answer = answer_to_json(prediction, classifier.bundle.manifest, params.top)
    return {**answer, "queue_ms": round(queue_seconds * 1000, 2)}


def _explain(upload: Upload, params: PhotoParams) -> dict[str, Any]:
    classifier = load(params.model, params.engine).local
    source = _source(upload, params, classifier)
    return map_to_json(classifier, classifier.identify_detailed(source))
