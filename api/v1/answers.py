"""``GET answers``: read the answer in a share link."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from model.answer.answer_json import answer_to_json
from model.answer.share_link import MAX_LABELS, MAX_TOKEN_LENGTH, SIGNATURE_NOTES, decode
from model.browser.device_files import small_card_in_use
from model.bundle import get_bundle
from model.errors import BundleError

from .schemas import problem_responses

router = APIRouter(tags=["answers"])

EARLIER = "An earlier version of this model gave this answer."


@router.get("/answers", responses=problem_responses(404, 422), summary="Read a share link")
def read_answer(token: Annotated[str, Query(max_length=MAX_TOKEN_LENGTH)]) -> dict[str, Any]:
    """Return the answer in a share link, and a note on whether its signature is valid."""
    shared = decode(token)
    prediction, bundle = shared.prediction, None
    try:
        current = get_bundle(prediction.model)
        bundle = current if current.version == prediction.version else None
    except BundleError:
        pass
    manifest, small = (bundle.manifest, small_card_in_use(bundle)) if bundle else (None, None)
    answer = answer_to_json(prediction, manifest, MAX_LABELS, token=token, small=small)
    earlier = "" if bundle else EARLIER
    return {"answer": answer, "note": SIGNATURE_NOTES[shared.signature], "earlier": earlier}
