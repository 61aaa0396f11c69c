"""The viewfinder: the part of the first screen that takes photos and shows their answers.

It is a component in JavaScript, ``device/streamlit.mjs``, which Streamlit mounts. Photos don't
travel through Streamlit: they stay on the visitor's device or go to ``/api/session/``. What comes
from the component is an answer's id or, if the device computed it, numbers, which are checked.
"""

import re
from typing import Any

import streamlit as st

from model import Bundle, LoupeError
from model.answer_json import answer_to_json
from model.classifier import default_model
from model.device_answer import MAX_LABELS, read_device_answer
from model.engine_info import ENGINES
from model.errors import DataError
from model.exporting.device_files import index_json, small_card_in_use
from model.prediction import Prediction
from model.session_answers import session_answers
from model.settings import settings
from model.share_link import Signature, decode, encode
from ui import component
from ui.answer_view import LOOK_UP_URLS, find_bundle, share_url
from ui.capture import SOURCES
from ui.chosen_model import forget_address
from ui.phrasing import SIGNATURE_NOTES, label_summary, phrase_error, spell_number
from ui.session import (
    MAX_PHOTOS,
    Session,
    close_answer,
    current_session,
    open_answer,
    open_token,
)
from ui.settings_menu import usable_bundles

__all__ = [
    "WAY_KEY",
    "find_answer",
    "is_chosen",
    "show_viewfinder",
    "viewfinder_data",
    "ways",
]

VIEWFINDER = "Viewfinder"
"""Its name among the ways to give a photo."""

WAY_KEY = "way"
"""The key and the query parameter of the choice among them."""

KEY = "viewfinder"

RUN_PARAM = "run"
"""The query parameter that says where photos are answered."""

RUNS = ("auto", "device", "server")

ANSWER_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

_mount = st.components.v2.component("viewfinder", js=component.SCRIPT)


def ways() -> tuple[str, ...]:
    """Return the ways to give a photo, the first by default."""
    return (VIEWFINDER, *SOURCES) if component.has_routes() else SOURCES


def is_chosen() -> bool:
    """Return whether the viewfinder is the way to give a photo, before its widget is made."""
    way = st.session_state.get(WAY_KEY) or st.query_params.get(WAY_KEY)
    return component.has_routes() and way not in SOURCES


def show_viewfinder(bundles: dict[str, Bundle], bundle: Bundle | None) -> None:
    """Show the component.

    Args:
        bundles: the models that can be chosen, by name.
        bundle: the chosen one.
    """
    _mount(
        # The same key and position in each run, so that the camera stays open.
        key=KEY,
        data=viewfinder_data(bundles, bundle),
        on_answer_change=_on_answer,
        on_opened_change=_on_opened,
        on_model_change=_on_model,
        on_run_change=_on_run,
        on_failed_change=_on_failed,
    )


def viewfinder_data(bundles: dict[str, Bundle], bundle: Bundle | None) -> dict[str, Any]:
    """Return what the component needs, as JSON; the same in each run until something changes."""
    session, token, base = current_session(), open_token(), component.base_path()
    return {
        **index_json(bundles.values(), default_model(), f"{base}device/"),
        "script": f"{base}device/streamlit.mjs",
        "base": base,
        "model": bundle.name if bundle else None,
        "engine": st.session_state.get("engine") or settings().engine,
        "run": _chosen_run(),
        "token": session.api_token,
        "downloads": settings().downloads,
        "corrections": settings().corrections_max > 0,
        "recent": settings().recent,
        "words": _words(bundle),
        "lookUp": [{"name": name, "url": url} for name, url in LOOK_UP_URLS.items()],
        "top": MAX_LABELS,
        "open": token or None,
        "shared": _shared(session, token),
        "confirmed": st.session_state.get("confirmed"),
    }


def find_answer(token: str) -> tuple[Prediction, Signature]:
    """Return the answer of a link and its signature; this session's own ones with all digits.

    Raises:
        LinkError: see ``decode``.
    """
    if own := current_session().answers.get(token):
        on_device = ENGINES[own.engine].runs_in == "device"
        return own, Signature.DEVICE if on_device else Signature.VALID
    shared = decode(token)
    return shared.prediction, shared.signature


def _shared(session: Session, token: str) -> dict[str, Any] | None:
    """Return the answer in the address, for a browser that doesn't keep its photo."""
    if not token:
        return None
    try:
        prediction, signature = find_answer(token)
    except LoupeError:
        return None
    if token in session.answers:
        note = (
            f"You got this answer earlier, but only your last {spell_number(MAX_PHOTOS)} photos "
            "are kept. Take the photo again to see why, or to correct it."
        )
    else:
        note = SIGNATURE_NOTES[signature]
    bundle, milliseconds = find_bundle(prediction), prediction.milliseconds
    manifest, small = (bundle.manifest, small_card_in_use(bundle)) if bundle else (None, None)
    answer = {
        **answer_to_json(prediction, manifest, small=small),
        "where": ENGINES[prediction.engine].runs_in,
        "milliseconds": milliseconds and milliseconds.total,
        "id": None,
    }
    return {"token": token, "url": share_url(token), "answer": answer, "note": note}


def _words(bundle: Bundle | None) -> dict[str, str]:
    """Return the words of the empty viewfinder: the owner's, or what the model knows."""
    line = settings().description
    if not line and bundle:
        line = f"I know {label_summary(bundle.labels, markdown=False)}."
    return {"headline": settings().title or "Point your phone at something", "line": line}


def _chosen_run() -> str:
    """Return where photos are answered, by the settings and the address."""
    if not settings().downloads:
        return "server"
    # Other pages drop the parameter from the address.
    asked = st.query_params.get(RUN_PARAM) or st.session_state.get(RUN_PARAM)
    if asked not in RUNS:
        return settings().run
    st.session_state[RUN_PARAM] = asked
    return str(asked)


def _sent(event: str) -> object:
    return st.session_state[KEY].get(event)


def _on_answer() -> None:
    """Take the answer that the component shows: open it, and confirm it with its link."""
    session, sent = current_session(), _sent("answer")
    session.error = ""
    fields = dict(sent) if isinstance(sent, dict) else {}
    answer_id = fields.pop("answerId", None)
    if not isinstance(answer_id, str) or not ANSWER_ID.fullmatch(answer_id):
        return
    try:
        stored_id, prediction = _read_answer(session, fields)
    except LoupeError as error:
        session.error = phrase_error(error)
        return
    token = encode(prediction)
    session.answers[token] = prediction
    st.session_state["confirmed"] = {
        "answerId": answer_id,
        "id": stored_id,
        "token": token,
        "url": share_url(token),
    }
    open_answer(token)


def _read_answer(session: Session, fields: dict[str, Any]) -> tuple[str | None, Prediction]:
    """Return the id by which corrections name an answer, and its prediction.

    Raises:
        DataError: it isn't kept, or a device can't have given it.
    """
    if fields.pop("kind", None) == "device":
        prediction = read_device_answer(fields)
        return session_answers.put(session.api_token, prediction), prediction
    stored_id = fields.get("id")
    kept = isinstance(stored_id, str) and session_answers.get(session.api_token, stored_id)
    if not kept or not isinstance(stored_id, str):
        raise DataError("This answer isn't kept any more. Send the photo again.")
    return stored_id, kept


def _on_opened() -> None:
    """Open the answer that the visitor chose among recent photos, or none."""
    token = _sent("opened")
    if isinstance(token, str) and token:
        open_answer(token)
    else:
        close_answer()


def _on_model() -> None:
    """Choose a model, as the selector does."""
    name = _sent("model")
    if isinstance(name, str) and name in usable_bundles():
        st.session_state["model"] = name
        forget_address()


def _on_run() -> None:
    """Choose where photos are answered."""
    run = _sent("run")
    if run in RUNS:
        st.session_state[RUN_PARAM] = run
        if run == settings().run:
            st.query_params.pop(RUN_PARAM, None)
        else:
            st.query_params[RUN_PARAM] = str(run)


def _on_failed() -> None:
    """Offer Streamlit's own widgets, because the component's script did not load."""
    st.session_state[WAY_KEY] = "Upload"
    current_session().error = (
        "The viewfinder couldn't be loaded, perhaps because something between this browser and "
        "the app blocks its files. Upload a photo here instead."
    )
