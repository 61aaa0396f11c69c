"""``POST identify`` and ``POST identify/batch``."""

import base64
import time
from contextlib import nullcontext
from functools import partial
from io import BytesIO
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

from model import Classifier, load
from model.admission import admission_queue
from model.answer.answer_json import words_to_json
from model.api_client import refuse_passed_on
from model.classifier import Identification, read_pixels
from model.explanation import mean_cells, occlusion_map, render_overlay
from model.photo import FORMAT_NAMES, MAX_BYTES
from model.preprocess import Pixels

from ..dispatcher import dispatcher
from ..page_turns import lane_of, page_token, page_turn
from .batch import BATCH_BODY, BatchResponse, start_batch
from .params import FILE_SCHEMA, BatchParams, IdentifyParams, Upload, form_schema, read_upload
from .schemas import BatchResult, IdentifyResponse, problem_responses

router = APIRouter(tags=["identify"])

MAP_CELLS = 16
"""Rows and columns of an occlusion map in JSON."""

PAGE_MAP_CELLS = 32
"""Rows and columns of the map for the app's pages, as in ``device/engine/occlusion.mjs``."""

LINES_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}
}
"""A batch's results as NDJSON, for OpenAPI."""


def photo_body(params: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI body of a request with one photo."""
    content = {
        "multipart/form-data": {"schema": form_schema(params, "photo")},
        "image/*": {"schema": FILE_SCHEMA},
        "application/octet-stream": {"schema": FILE_SCHEMA},
    }
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/identify",
    response_model=IdentifyResponse,
    responses=problem_responses(400, 403, 404, 408, 409, 413, 415, 422, 503),
    openapi_extra=photo_body(IdentifyParams),
    summary="Identify a photo",
    description="Send the photo's bytes, or a form with the photo as `photo`.\n\n"
    f"{FORMAT_NAMES} of at most {MAX_BYTES // 2**20} MB. The photo is not saved.",
)
async def identify(request: Request, params: Annotated[IdentifyParams, Query()]) -> JSONResponse:
    """Respond with the prediction for one photo."""
    refuse_passed_on(request.headers)
    return await identify_request(request, params, page_token(request))


async def identify_request(
    request: Request, params: IdentifyParams, page: str | None = None
) -> JSONResponse:
    """Respond to a request with one photo; fields of its form override ``params``.

    Args:
        params: those of the query.
        page: the token of the page's session; None for other clients.

    Raises:
        LoupeError, pydantic.ValidationError: see ``read_upload``, ``Params.with_fields``,
            ``Dispatcher.run`` and ``identify_photo``.
    """
    lane = lane_of(page)
    dispatcher().check(lane)
    async with read_upload(request) as upload:
        params = params.with_fields(upload.fields)
        work = partial(identify_photo, upload, params, is_page=page is not None)
        async with page_turn(page) if page else nullcontext():
            # Skip response validation: it takes longer than resizing a photo.
            return JSONResponse(await dispatcher().run(work, request.is_disconnected, lane))


def identify_photo(
    upload: Upload, params: IdentifyParams, *, is_page: bool = False
) -> dict[str, Any]:
    """Return the prediction for one photo, in the command line's JSON.

    Args:
        upload: the photo, or the pixels made from it.
        is_page: use the given engine; add ``words``, by which the app's pages show the answer.

    Raises:
        LoupeError: see ``Classifier.identify`` and ``load``.
    """
    # Reuses the slot that this thread already holds.
    with admission_queue().acquire() as admission:
        queue_seconds = time.perf_counter() - upload.received
        # Anyone could make a small server load torch.
        classifier = load(params.model, params.engine if is_page else None)
        if is_page and params.explain:
            # The page says that this server explains the photo, not an outside API.
            classifier = classifier.local
        source: bytes | Pixels = upload.data
        if params.pixels is not None:
            bundle, version = classifier.bundle, params.pixels
            source = read_pixels(upload.data, bundle, version, packed=params.packed)
        identification = classifier.identify_detailed(source)
        queue_seconds += admission.large_wait_seconds
    prediction = identification.prediction
    result = prediction.to_dict(upload.name, params.top)
    if is_page:
        words = words_to_json(prediction, classifier.bundle.manifest, params.top)
        result["words"] = {**words, "queue_ms": round(queue_seconds * 1000, 2)}
    if params.explain:
        result["explanation"] = _explain(classifier, identification, is_page=is_page)
    return result


def _explain(
    classifier: Classifier, identification: Identification, *, is_page: bool
) -> dict[str, Any]:
    top_label = identification.prediction.top(1)[0]
    importance = occlusion_map(classifier, identification.pixels, top_label.index)
    cells = PAGE_MAP_CELLS if is_page else MAP_CELLS
    heat = mean_cells(importance, cells).round(3).tolist()
    if is_page:
        # The page draws its own overlay.
        return {"label": top_label.label, "heat": heat}
    picture = BytesIO()
    overlay = render_overlay(identification.pixels, importance)
    overlay.save(picture, "JPEG", quality=85)
    encoded = base64.b64encode(picture.getvalue()).decode()
    return {
        "label": top_label.label,
        "heat": heat,
        "picture": f"data:image/jpeg;base64,{encoded}",
    }


@router.post(
    "/identify/batch",
    response_model=BatchResult,
    responses={**LINES_RESPONSE, **problem_responses(400, 403, 404, 408, 413, 422, 503)},
    openapi_extra=BATCH_BODY,
    summary="Identify a batch of photos",
)
async def identify_batch(
    request: Request, params: Annotated[BatchParams, Query()]
) -> BatchResponse:
    """Send a form with several files, or a zip of photos; 100 MB at most.

    Results arrive while later photos are still being processed. A photo that cannot be read
    has an `error` in its place. With `Accept: application/x-ndjson` each line is one object.
    """
    return await start_batch(request, params)
