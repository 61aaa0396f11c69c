"""Requests of the component over Streamlit's websocket, where the app has no ``/api/session/``.

They are what the routes there do, for one visitor at a time: Streamlit runs a session's script
one run at a time, and bounds its messages.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import streamlit as st

from model import Classifier, LoupeError, load
from model.answer.share_link import decode
from model.bundle import get_bundle
from model.corrections.page_sessions import page_sessions
from model.errors import DataError
from model.explanation import map_to_json
from model.loading import default_model
from model.pixels import read_pixels
from model.preprocess import Pixels
from ui.answer_view import answer_json
from ui.chosen_model import model_to_load
from ui.phrasing import phrase_error
from ui.session import current_session

RESPONSES = "component_responses"
"""The key of the last responses in the session state."""


def responses() -> list[dict[str, Any]]:
    """Return the last responses, for the component's data."""
    kept: list[dict[str, Any]] = st.session_state.get(RESPONSES, [])
    return kept


def take_request(sent: object) -> None:
    """Answer a request: ``{"id", "name", ...}``; anything else is ignored.

    Args:
        sent: by the component, so anything.
    """
    fields = sent if isinstance(sent, dict) else {}
    operation = _OPERATIONS.get(str(fields.get("name")))
    if operation is None:
        return
    response: dict[str, Any] = {"id": str(fields.get("id"))[:64], "code": None, "body": None}
    try:
        response["body"] = operation(fields)
    except LoupeError as error:
        response |= {"code": error.code, "detail": phrase_error(error)}
    # The page may have sent another request before this one's response is drawn.
    st.session_state[RESPONSES] = [*responses(), response][-2:]


def _describe(_: dict[str, Any]) -> dict[str, Any]:
    bundle = get_bundle(model_to_load() or default_model() or "")
    manifest = bundle.manifest.model_dump(mode="json", exclude={"files", "card"})
    return {**manifest, "version": bundle.version}


def _identify(fields: dict[str, Any]) -> dict[str, Any]:
    classifier = load(model_to_load(), _engine())
    return answer_json(classifier.identify(_source(fields, classifier)))


def _explain(fields: dict[str, Any]) -> dict[str, Any]:
    answer = decode(str(fields.get("token"))).prediction
    classifier = load(answer.model, answer.engine).local
    return map_to_json(classifier, classifier.identify_detailed(_source(fields, classifier)))


def _correct(fields: dict[str, Any]) -> dict[str, Any]:
    link, labels = str(fields.get("token")), fields.get("labels")
    words = [word for word in labels if isinstance(word, str)] if isinstance(labels, list) else []
    identification = None
    if fields.get("photo"):
        identification = load(model_to_load(), _engine()).local.identify_detailed(_photo(fields))
    token = current_session().api_token
    return {"number": page_sessions.save_correction(token, link, words, identification)}


def _engine() -> str | None:
    return st.session_state.get("engine")


def _source(fields: dict[str, Any], classifier: Classifier) -> bytes | Pixels:
    """Return the pixels of a request, or its photo.

    Raises:
        DataError, OtherVersion, DamagedPhoto: see ``_photo`` and ``read_pixels``.
    """
    version = fields.get("version")
    if version is None:
        return _photo(fields)
    packed = fields.get("packed") is True
    return read_pixels(_sent_bytes(fields), classifier.bundle, str(version), packed=packed)


def _photo(fields: dict[str, Any]) -> bytes:
    """Return the photo of a request: the session's own if its answer is meant, else what was sent.

    Raises:
        DataError: there is none.
    """
    photo = current_session().photo
    if photo and photo.token == fields.get("token"):
        return photo.picture
    return _sent_bytes(fields)


def _sent_bytes(fields: dict[str, Any]) -> bytes:
    """Return the bytes that a request brings.

    Raises:
        DataError: there are none.
    """
    try:
        return base64.b64decode(str(fields.get("photo", "")), validate=True)
    except (binascii.Error, ValueError):
        raise DataError("The photo is missing. Send it again.") from None


_OPERATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "describe": _describe,
    "photo": _identify,
    "explanation": _explain,
    "correction": _correct,
}
"""Requests of a page; ``/api/session/`` has the last three as routes."""
