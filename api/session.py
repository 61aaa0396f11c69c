"""``/api/session/``: the requests of the app's own pages, besides Streamlit's websocket.

A page holds the token of its Streamlit session and sends it with each request. These routes may
change with the page, so the OpenAPI document doesn't list them; programs use ``/api/v1``.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Any
from weakref import WeakValueDictionary

from pydantic import AfterValidator, Field
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from model import Prediction, load
from model.admission import admission_queue
from model.answer_json import answer_to_json
from model.classifier import Classifier
from model.engine_info import ServerEngine
from model.errors import Busy, CorrectionsFull, LinkError
from model.explanation import mean_cells, occlusion_map
from model.session_answers import session_answers
from model.share_link import MAX_TOKEN_LENGTH, Signature, decode

from .body_limits import PHOTO_BYTES, limited_body
from .dispatcher import dispatcher
from .middleware import CsrfMiddleware, SlowClientMiddleware, TelemetryMiddleware
from .problems import Invalid, NoSession, add_error_handlers
from .v1.params import MAX_LABEL_LENGTH, BatchParams, ModelName, Params, parse_form, read_upload

__all__ = ["HEADER", "session_routes"]

HEADER = "Loupe-Session"
"""The header with the session's token. Other sites' pages can't send it without permission."""

MAP_CELLS = 32
"""Rows and columns of an occlusion map, as in ``device/engine/occlusion.mjs``."""

MAX_CORRECTIONS = 10
"""Most corrections that a session saves."""

MAX_LABELS = 20
"""Most labels of one correction, as in ``model.corrections``, whose import loads SQLAlchemy."""

TURN_SECONDS = 2.0
"""Longest wait for the session's previous photo, in seconds; a page cancels that one first."""

_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""A lock for each session with a photo in flight, by its token."""


class PhotoParams(BatchParams):
    """Parameters of ``photo`` and ``explanation``."""

    engine: ServerEngine | None = None


def _filled(label: str) -> str:
    # Imported on first use: a database costs memory that most processes never need.
    from model.corrections.store import clean_label

    if not (cleaned := clean_label(label)):
        raise ValueError("The label is missing. Send what the photo shows.")
    return cleaned


Label = Annotated[str, Field(max_length=MAX_LABEL_LENGTH), AfterValidator(_filled)]


class CorrectionParams(Params):
    """Parameters of ``correction``: what the photo shows, and the answer's id or share link."""

    model: ModelName = None
    engine: ServerEngine | None = None
    id: Annotated[str, Field(max_length=40)] = ""
    token: Annotated[str, Field(max_length=MAX_TOKEN_LENGTH)] = ""
    label: Annotated[list[Label], Field(min_length=1, max_length=MAX_LABELS)]


def session_routes() -> list[BaseRoute]:
    """Return the routes below ``/api/session``."""
    routes = [
        Route("/photo", photo, methods=["POST"]),
        Route("/explanation", explanation, methods=["POST"]),
        Route("/correction", correction, methods=["POST"]),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    add_error_handlers(app)
    app.add_middleware(CsrfMiddleware)
    app.add_middleware(TelemetryMiddleware)
    app.add_middleware(SlowClientMiddleware)
    return [Mount("/api/session", app=app)]


async def photo(request: Request) -> JSONResponse:
    """Identify the photo in the body, and keep the prediction for the page's next run."""
    async with _turn(request) as token:
        params = PhotoParams.model_validate(dict(request.query_params))
        async with read_upload(request) as upload:
            work = partial(_identify, token, upload.data, params, time.perf_counter())
            return JSONResponse(await dispatcher().run(work, request.is_disconnected))


async def explanation(request: Request) -> JSONResponse:
    """Return the occlusion map of the top label for the photo in the body."""
    async with _turn(request):
        params = PhotoParams.model_validate(dict(request.query_params))
        async with read_upload(request) as upload:
            work = partial(_explain, upload.data, params)
            return JSONResponse(await dispatcher().run(work, request.is_disconnected))


async def correction(request: Request) -> JSONResponse:
    """Save the labels of a form, for an answer by its id or share link, or for the form's photo.

    The page sends the photo only with the visitor's consent. It is identified again, so that the
    prediction that is saved with it is the model's.
    """
    async with _turn(request) as token, limited_body(request, PHOTO_BYTES) as body:
        async with parse_form(body, max_files=1) as form:
            texts = {**request.query_params, **dict(form)}
            texts = {name: text for name, text in texts.items() if isinstance(text, str)}
            values: dict[str, Any] = {**texts, "label": form.getlist("label")}
            params = CorrectionParams.model_validate(values)
            file = form.get("photo")
            data = await file.read() if isinstance(file, UploadFile) else None
        if data is None:
            prediction, picture = await run_in_threadpool(_find_answer, token, params), None
        else:
            work = partial(_look_again, data, params)
            prediction, picture = await dispatcher().run(work, request.is_disconnected)
        # Outside the slot: a slow database must not keep photos waiting.
        number = await run_in_threadpool(_save, token, prediction, params, picture)
        return JSONResponse({"number": number}, 201)


@asynccontextmanager
async def _turn(request: Request) -> AsyncIterator[str]:
    """Hold the only slot of the request's session, and yield its token.

    Raises:
        NoSession: no session has this token.
        Stopping, Busy: see ``Dispatcher.check``, or the session's previous photo takes too long.
    """
    token = request.headers.get(HEADER, "")
    if not session_answers.is_open(token):
        raise NoSession("This page's session has ended. Reload the page, then try again.")
    dispatcher().check()
    lock = _turns.setdefault(token, asyncio.Lock())
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await lock.acquire()
    except TimeoutError:
        raise Busy("Your previous photo is still being identified. Try again.") from None
    try:
        yield token
    finally:
        lock.release()


def _identify(token: str, data: bytes, params: PhotoParams, received: float) -> dict[str, Any]:
    """Return the response; its ``queue_ms`` is the wait for a free core since ``received``."""
    # Reuses the slot of this thread.
    with admission_queue().acquire() as admission:
        queue_seconds = time.perf_counter() - received
        classifier = load(params.model, params.engine)
        prediction = classifier.identify(data)
        queue_seconds += admission.large_wait_seconds
    manifest = classifier.bundle.manifest
    return {
        **answer_to_json(prediction, manifest, params.top),
        "recipe": manifest.recipe.model_dump(mode="json"),
        "id": session_answers.put(token, prediction),
        "queue_ms": round(queue_seconds * 1000, 2),
    }


def _explain(data: bytes, params: PhotoParams) -> dict[str, Any]:
    classifier: Classifier = load(params.model, params.engine)
    identification = classifier.identify_detailed(data)
    top_label = identification.prediction.top(1)[0]
    cells = mean_cells(occlusion_map(classifier, identification.pixels, top_label.index), MAP_CELLS)
    return {
        "label": top_label.label,
        "rows": cells.shape[0],
        "columns": cells.shape[1],
        "heat": cells.round(3).ravel().tolist(),
    }


def _find_answer(token: str, params: CorrectionParams) -> Prediction:
    """Return the answer that a correction is for; after a reload only its share link is left.

    Raises:
        Invalid: neither is usable.
    """
    if prediction := session_answers.get(token, params.id):
        return prediction
    with suppress(LinkError):
        shared = decode(params.token)
        if shared.signature is not Signature.CHANGED:
            return shared.prediction
    raise Invalid("This answer isn't kept any more. Send its photo with the correction.")


def _look_again(data: bytes, params: CorrectionParams) -> tuple[Prediction, bytes]:
    identification = load(params.model, params.engine).identify_detailed(data)
    return identification.prediction, identification.photo.to_jpeg()


def _save(
    token: str, prediction: Prediction, params: CorrectionParams, picture: bytes | None
) -> int:
    """Save a correction and return its number; saving the same one again replaces it."""
    from model.corrections import correction_store

    answer = params.id or params.token
    saved, key = session_answers.corrections(token), (answer, *params.label)
    if key not in saved and len(saved) >= MAX_CORRECTIONS:
        raise CorrectionsFull("You've saved ten corrections, the most for one visit. Thank you.")
    repeats = saved.get(key) if answer else None
    number = correction_store().add_correction(prediction, params.label, picture, repeats=repeats)
    session_answers.add_correction(token, key, number)
    return number
