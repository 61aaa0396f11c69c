"""``POST identify`` and ``POST identify/batch``."""

import base64
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

from model import Classifier, load
from model.classifier import Examined
from model.explanation import explain, spotlight

from ..line import line
from . import batch
from .inputs import Asked, photo_in, with_fields
from .schemas import Answer, Batch, problems

__all__ = ["PHOTO", "identified", "router"]

router = APIRouter(tags=["identify"])
CELLS = 16
PICTURE = 448

_FILE = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {"photo": _FILE}, "required": ["photo"]}
PHOTO: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _FORM},
            "image/*": {"schema": _FILE},
            "application/octet-stream": {"schema": _FILE},
        },
    }
}
"""The body of a request with one photo, for OpenAPI."""


@router.post(
    "/identify",
    response_model=Answer,
    responses=problems(400, 404, 408, 413, 415, 422, 503),
    openapi_extra=PHOTO,
    summary="What is on a photo",
)
async def identify(request: Request, asked: Annotated[Asked, Query()]) -> JSONResponse:
    """Send the photo's bytes, or a form with the photo as `photo`.

    JPEG, PNG, WebP, HEIC or AVIF of at most 20 MB; nothing of it is kept.
    """
    line().check()
    async with photo_in(request) as sent:
        asked = with_fields(asked, sent.fields)
        # A plain answer: checking it field by field against its own description takes
        # longer than resizing a photo.
        return JSONResponse(await line().run(lambda: identified(sent.data, sent.name, asked)))


def identified(data: bytes, name: str, asked: Asked) -> dict[str, Any]:
    """The answer to one photo as the command line prints it.

    Raises:
        LoupeError: see ``Classifier.identify`` and ``load``.
    """
    classifier = load(asked.model)
    examined = classifier.examine(data, many=line().crowded)
    answer = examined.prediction.to_dict(name, asked.top)
    if asked.explain:
        answer["explanation"] = _explained(classifier, examined)
    return answer


def _explained(classifier: Classifier, examined: Examined) -> dict[str, Any]:
    first = examined.prediction.top(1)[0]
    heat = explain(classifier, examined.pixels, first.index)
    rows = np.linspace(0, heat.shape[0], CELLS + 1).astype(int)
    columns = np.linspace(0, heat.shape[1], CELLS + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(heat, rows[:-1], axis=0), columns[:-1], axis=1)
    cells = sums / np.outer(np.diff(rows), np.diff(columns))
    file = BytesIO()
    spotlight(examined.pixels, heat, PICTURE).save(file, "JPEG", quality=85)
    picture = base64.b64encode(file.getvalue()).decode()
    return {
        "label": first.label,
        "heat": [[round(float(cell), 3) for cell in row] for row in cells],
        "picture": f"data:image/jpeg;base64,{picture}",
    }


@router.post(
    "/identify/batch",
    response_model=Batch,
    responses=problems(400, 404, 408, 413, 422, 503),
    openapi_extra=batch.BODY,
    summary="What is on many photos",
)
async def identify_batch(request: Request, asked: Annotated[Asked, Query()]) -> StreamingResponse:
    """Send a form with several files, or a zip of photos; 100 MB at most.

    Answers come while later photos are still looked at; a refused photo has an `error`
    in its place. With `Accept: application/x-ndjson` each line is one object.
    """
    job = await batch.begin(request, asked)
    lines = "application/x-ndjson" in request.headers.get("accept", "")
    answers: AsyncIterator[bytes] = job.lines() if lines else job.object()
    kind = "application/x-ndjson" if lines else "application/json"
    return StreamingResponse(answers, media_type=kind)
