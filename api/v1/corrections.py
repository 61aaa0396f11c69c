"""``corrections``: save what a photo shows, next to the model's prediction; undo it."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from model import load
from model.classifier import Identification
from model.corrections import correction_store
from model.corrections.page_sessions import page_sessions
from model.text import clean

from ..body_limits import PHOTO_BYTES, limited_body
from ..dispatcher import dispatcher
from ..page_turns import lane_of, page_token, page_turn
from ..problems import Invalid, NoSession, problem
from .identify import photo_body
from .params import (
    NO_LABEL,
    CorrectionParams,
    PageCorrectionParams,
    UndoKey,
    parse_form,
    read_upload,
    text_fields,
)
from .schemas import CorrectionResponse, problem_responses

router = APIRouter(tags=["corrections"])


@router.post(
    "/corrections",
    status_code=201,
    response_model=CorrectionResponse,
    responses=problem_responses(400, 403, 404, 408, 413, 415, 422, 429, 503, 507),
    openapi_extra=photo_body(CorrectionParams),
    summary="Save a correction",
)
async def add_correction(
    request: Request, params: Annotated[CorrectionParams, Query()]
) -> JSONResponse:
    """Send the photo and the label that it should have had.

    The photo is identified again, so that the prediction that is saved is the model's and not a
    client's claim. The photo itself is saved only with `keep`. The owner can delete a correction
    by the `id` in the response, and may use it to improve the model.
    """
    page = page_token(request)
    dispatcher().check(lane_of(page))
    if page:
        return JSONResponse({"id": await _correct_answer(request, page)}, 201)
    async with read_upload(request) as upload:
        params = params.with_fields(upload.fields)
        if not params.label:
            raise Invalid(f"label: {NO_LABEL}")
        identification = await dispatcher().run(
            lambda: load(params.model).local.identify_detailed(upload.data),
            request.is_disconnected,
        )
        # Without a slot, so that photos do not wait for a slow database.
        saved = await run_in_threadpool(_save, identification, params)
        return JSONResponse(saved, 201)


@router.delete(
    "/corrections/{id}", status_code=204, responses=problem_responses(403, 404, 422, 503)
)
async def undo_correction(
    request: Request,
    number: Annotated[int, Path(alias="id", ge=1, le=2**31 - 1)],
    undo_key: Annotated[UndoKey, Header(alias="Loupe-Undo-Key")],
) -> Response:
    """Delete a correction and its photo, from the page that saved it, within 24 hours."""
    if not page_token(request):
        raise NoSession("Only a page of this app can undo a correction.")
    # A wrong key and an unknown number get the same response, so nobody can count corrections.
    if await run_in_threadpool(page_sessions.undo_correction, number, undo_key):
        return Response(status_code=204)
    return problem("no-such-correction", "This correction doesn't exist or can't be undone.")


async def _correct_answer(request: Request, page: str) -> int:
    """Save the labels in a page's form, for the form's photo or for the answer that it names.

    The page sends the photo only if the visitor agrees.

    Returns the number by which the owner can delete the correction.
    """
    async with limited_body(request, PHOTO_BYTES) as body:
        async with parse_form(body, max_files=1) as form:
            values = {**request.query_params, **text_fields(form), "label": form.getlist("label")}
            params = PageCorrectionParams.model_validate(values)
            file = form.get("photo")
            data = await file.read() if isinstance(file, UploadFile) else None
        identification = None
        if data is not None:
            async with page_turn(page):
                identification = await dispatcher().run(
                    lambda: load(params.model, params.engine).local.identify_detailed(data),
                    request.is_disconnected,
                    lane_of(page),
                )
        extras = identification, params.wording, params.undo_key
        # Outside the slot, so that photos do not wait for a slow database.
        return await run_in_threadpool(
            page_sessions.save_correction, page, params.token, params.label, *extras
        )


def _save(identification: Identification, params: CorrectionParams) -> dict[str, Any]:
    prediction = identification.prediction
    photo = identification.photo.to_jpeg() if params.keep else None
    correction_id = correction_store().add_correction(prediction, params.label, photo)
    return {
        "id": correction_id,
        "model": prediction.model,
        "version": prediction.version,
        "predicted": None if prediction.in_distribution is False else prediction.top(1)[0].label,
        "label": params.label,
        "known": params.label in map(clean, prediction.labels),
        "kept": params.keep,
    }
