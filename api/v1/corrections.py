"""``POST corrections``: what a visitor says of an answer."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from model import load
from model.classifier import Identification

from ..dispatcher import dispatcher
from ..problems import Invalid
from .identify import photo_body
from .params import CorrectionParams, photo_in, with_fields
from .schemas import Corrections, problems

__all__ = ["router"]

router = APIRouter(tags=["corrections"])


@router.post(
    "/corrections",
    status_code=201,
    response_model=Corrections,
    responses=problems(400, 403, 404, 408, 413, 415, 422, 503),
    openapi_extra=photo_body(CorrectionParams),
    summary="Say what a photo shows",
)
async def correct(request: Request, said: Annotated[CorrectionParams, Query()]) -> JSONResponse:
    """The photo is looked at again, so that what is kept is what the model says and not
    what somebody claims that it said. The photo itself is kept only with `keep`.
    """
    dispatcher().check()
    async with photo_in(request) as sent:
        said = with_fields(said, sent.fields)
        label = await run_in_threadpool(_label, said)
        identification = await dispatcher().run(
            lambda: load(said.model).identify_detailed(sent.data), request.is_disconnected
        )
        # Not in a slot: a database that is slow must not keep photos waiting.
        return JSONResponse(await run_in_threadpool(_kept, identification, label, said), 201)


def _label(said: CorrectionParams) -> str:
    # Imported only here: opening a database costs memory that most processes don't need.
    from model.corrections.store import clean_label

    label = clean_label(said.label)
    if not label:
        raise Invalid("label: it is missing. Say what the photo shows.")
    return label


def _kept(examined: Identification, label: str, said: CorrectionParams) -> dict[str, Any]:
    from model.corrections import correction_store
    from model.corrections.store import clean_label

    prediction = examined.prediction
    photo = examined.photo.to_jpeg() if said.keep else None
    number = correction_store().add_correction(prediction, label, photo)
    return {
        "id": number,
        "model": prediction.model,
        "version": prediction.version,
        "predicted": None if prediction.in_distribution is False else prediction.top(1)[0].label,
        "label": label,
        "known": label in map(clean_label, prediction.labels),
        "kept": said.keep,
    }
