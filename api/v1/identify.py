"""``POST identify`` and ``POST identify/batch``."""

import base64
from functools import partial
from io import BytesIO
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

from model import Classifier, load
from model.classifier import Identification
from model.explanation import occlusion_map, render_overlay

from ..dispatcher import dispatcher
from . import batch
from .params import FILE, BatchParams, IdentifyParams, body_of, photo_in, with_fields
from .schemas import Answer, Batch, problems

__all__ = ["answered", "identified", "photo_body", "router"]

router = APIRouter(tags=["identify"])
CELLS = 16
PICTURE = 448

LINES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}
}
"""The other form of a batch's answers, for OpenAPI."""


def photo_body(options: type[BaseModel]) -> dict[str, Any]:
    """The body of a request with one photo, for OpenAPI."""
    content = {
        "multipart/form-data": {"schema": body_of(options, "photo")},
        "image/*": {"schema": FILE},
        "application/octet-stream": {"schema": FILE},
    }
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/identify",
    response_model=Answer,
    responses=problems(400, 403, 404, 408, 413, 415, 422, 503),
    openapi_extra=photo_body(IdentifyParams),
    summary="What is on a photo",
)
async def identify(request: Request, asked: Annotated[IdentifyParams, Query()]) -> JSONResponse:
    """Send the photo's bytes, or a form with the photo as `photo`.

    JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF of at most 20 MB; nothing of it is kept.
    """
    return await answered(request, asked)


async def answered(request: Request, asked: IdentifyParams) -> JSONResponse:
    """The answer to the photo of a request; fields of its form win over ``asked``.

    Raises:
        LoupeError, pydantic.ValidationError: see ``photo_in``, ``Line.run``, ``identified`` and
            ``with_fields``.
    """
    dispatcher().check()
    async with photo_in(request) as sent:
        work = partial(identified, sent.data, sent.name, with_fields(asked, sent.fields))
        # A plain answer: checking it field by field against its own description takes
        # longer than resizing a photo.
        return JSONResponse(await dispatcher().run(work, request.is_disconnected))


def identified(data: bytes, name: str, asked: IdentifyParams) -> dict[str, Any]:
    """The answer to one photo as the command line prints it.

    Raises:
        LoupeError: see ``Classifier.identify`` and ``load``.
    """
    classifier = load(asked.model)
    examined = classifier.identify_detailed(data)
    answer = examined.prediction.to_dict(name, asked.top)
    if asked.explain:
        answer["explanation"] = _explained(classifier, examined)
    return answer


def _explained(classifier: Classifier, examined: Identification) -> dict[str, Any]:
    first = examined.prediction.top(1)[0]
    heat = occlusion_map(classifier, examined.pixels, first.index)
    rows = np.linspace(0, heat.shape[0], CELLS + 1).astype(int)
    columns = np.linspace(0, heat.shape[1], CELLS + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(heat, rows[:-1], axis=0), columns[:-1], axis=1)
    cells = sums / np.outer(np.diff(rows), np.diff(columns))
    file = BytesIO()
    render_overlay(examined.pixels, heat, PICTURE).save(file, "JPEG", quality=85)
    picture = base64.b64encode(file.getvalue()).decode()
    return {
        "label": first.label,
        "heat": [[round(float(cell), 3) for cell in row] for row in cells],
        "picture": f"data:image/jpeg;base64,{picture}",
    }


@router.post(
    "/identify/batch",
    response_model=Batch,
    responses={**LINES, **problems(400, 403, 404, 408, 413, 422, 503)},
    openapi_extra=batch.BODY,
    summary="What is on many photos",
)
async def identify_batch(
    request: Request, asked: Annotated[BatchParams, Query()]
) -> batch.BatchResponse:
    """Send a form with several files, or a zip of photos; 100 MB at most.

    Answers come while later photos are still looked at; a refused photo has an `error`
    in its place. With `Accept: application/x-ndjson` each line is one object.
    """
    return await batch.begin(request, asked)
