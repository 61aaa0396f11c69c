"""The model and engine of a session: its choice, its address's, or the ones that open first."""

from contextlib import suppress

import streamlit as st
from streamlit.runtime.state import get_session_state

from model import Bundle
from model.bundle import get_bundle, list_models
from model.classifier import default_model
from model.errors import BundleError
from model.settings import settings
from ui.app_info import default_bundle

__all__ = [
    "asked_for",
    "choose_model",
    "chosen_bundle",
    "follow_answer",
    "forget_address",
    "model_to_load",
    "remember_address",
]

ASKED, DEFAULT = "asked", "default_model"
"""Keys of the session state: what addresses asked for, and the model that opened first."""


def remember_address(token: str) -> None:
    """Remember the model and engine in the address, and follow a change of the first model.

    To be called before the widgets are made: they drop from the address what they don't offer.

    Args:
        token: of the open answer's link; empty if none is open.
    """
    state, params = st.session_state, st.query_params
    follow_answer(token)
    state[ASKED] = asked_for() | {key: params[key] for key in ("model", "engine") if key in params}
    previous, state[DEFAULT] = state.get(DEFAULT), default_model()
    # Another model was imported, or this one is skipped now; the visitor chose neither.
    has_changed = None not in (previous, state[DEFAULT]) and previous != state[DEFAULT]
    if has_changed and state.get("model") == previous:
        state["model"] = state[DEFAULT]


def asked_for() -> dict[str, str]:
    """Return the model and engine that addresses asked for, since the visitor last chose one."""
    asked: dict[str, str] = st.session_state.get(ASKED, {})
    return asked


def follow_answer(token: str) -> None:
    """Choose an answer's model, so that its next photo is answered by the same one.

    Args:
        token: of the answer's link; empty if none is open.
    """
    name = token.partition("~")[0]
    if not isinstance(list_models().get(name), Bundle):
        return
    state, is_first = st.session_state, name == default_model()
    if name != (state.get("model") or st.query_params.get("model") or default_model()):
        choose_model(name)
    # Written with the next parameter: a message of its own would be another entry of the browser's
    # history, in which Back would find the answer with another model.
    with get_session_state().query_params() as params:
        if is_first:
            params.discard_param_no_forward_msg("model")
        else:
            params.set_with_no_forward_msg("model", name)


def choose_model(name: str) -> None:
    """Choose a model before its widget is made, which then writes it into the address."""
    st.session_state["model"] = name
    forget_address()


def forget_address() -> None:
    """Forget what addresses asked for, because the visitor chose a model or an engine."""
    st.session_state.pop(ASKED, None)


def chosen_bundle() -> Bundle | None:
    """Return the model of this session, to be called before the widgets are made.

    None if there is no model that can be opened.
    """
    for name in (st.session_state.get("model"), st.query_params.get("model")):
        if name:
            with suppress(BundleError):
                return get_bundle(name)
    return default_bundle()


def model_to_load() -> str | None:
    """Return the name of the chosen model, None if it is the one that opens first.

    ``load`` then skips it if it can't be used, as at the start of the app.
    """
    chosen: str | None = st.session_state.get("model")
    is_first = chosen == default_model() and st.session_state.get("engine") == settings().engine
    return None if is_first else chosen
