"""``GET answers``: read the answer in a share link."""

from typing import Any

from fastapi import APIRouter

from model.answer.answer_json import words_to_json
from model.answer.phrases import phrase_to_json
from model.answer.share_link import MAX_LABELS, SIGNATURE_NOTES, bundle_of, decode
from model.browser.device_files import small_card_in_use

from .schemas import problem_responses

router = APIRouter(tags=["answers"])


@router.get("/answers", responses=problem_responses(422), summary="Read a share link")
def read_answer(token: str) -> dict[str, Any]:
    """Return the answer in a share link, as ``said`` to a stranger, and a note on its signature."""
    shared = decode(token)
    prediction, bundle = shared.prediction, bundle_of(shared.prediction)
    manifest, small = (bundle.manifest, small_card_in_use(bundle)) if bundle else (None, None)
    words = words_to_json(prediction, manifest, MAX_LABELS, token=token, small=small)
    result = prediction.to_dict("-", MAX_LABELS)
    if words["where"] == "device":
        result |= {"runs_in": "device", "graph": prediction.graph}
    said = shared.words()._asdict()
    said["answer"] = phrase_to_json(said["answer"])
    return {
        "answer": {"prediction": result, **words},
        "said": said,
        "note": SIGNATURE_NOTES[shared.signature],
        "earlier": "" if bundle else "An earlier version of this model gave this answer.",
    }
