"""The model and engine of a session: its choice, its address's, or the ones that open first."""

import re
from contextlib import suppress

import streamlit as st

from model import Bundle
from model.bundle import get_bundle, list_models
from model.engines import available
from model.errors import BundleError
from model.loading import default_model
from model.settings import settings
from ui.app_info import default_bundle

ASKED, CHOSEN = "asked", "chosen_model"
"""Keys of the session state: what addresses asked for, and the visitor's choice of model."""

TAUGHT_KEY = "taught_model"
"""The key of the visitor's own model, if the viewfinder uses that."""

TAUGHT_NAME = re.compile(r"taught-[0-9a-f]{12}")
"""Names of models that visitors made, which their browsers keep."""


def remember_address(token: str, *, is_named: bool = False) -> None:
    """Select the model: the open answer's, else the address's, else the visitor's choice.

    Without any, it is the model that opens first. The engine is the address's, if the model has
    it. To be called before the widgets are made.

    Args:
        token: of the open answer's link; empty if none is open.
        is_named: whether the address names every choice, so that earlier ones are forgotten.
    """
    state, params = st.session_state, st.query_params
    if is_named and not token and "model" not in params:
        for key in (CHOSEN, TAUGHT_KEY):
            state.pop(key, None)
    named = {key: params[key] for key in ("model", "engine") if key in params}
    if TAUGHT_NAME.fullmatch(named.get("model", "")) and not token:
        state[TAUGHT_KEY] = named.pop("model")
    elif token or "model" in named:
        state.pop(TAUGHT_KEY, None)
    state[ASKED] = requested_choices() | named
    names = (token.partition("~")[0], params.get("model"), state.get(CHOSEN))
    if name := next(filter(_is_usable, names), None):
        state[CHOSEN] = name
    shown = name or default_model()
    if shown != state.get("model") and _is_usable(shown):
        state["model"] = shown
    bundle = list_models().get(state.get("model", ""))
    if isinstance(bundle, Bundle) and (engine := params.get("engine")):
        if engine in available(bundle):
            state["engine"] = engine
        else:
            del params["engine"]


def _is_usable(name: str | None) -> bool:
    return bool(name) and isinstance(list_models().get(str(name)), Bundle)


def requested_choices() -> dict[str, str]:
    """Return the model and engine that addresses asked for, since the visitor last chose one."""
    return dict(st.session_state.get(ASKED, {}))


def choose(key: str) -> None:
    """Name the model or engine of the widget ``key`` in the address, unless it is the default."""
    state, params = st.session_state, st.query_params
    # The visitor chose, so what addresses asked for no longer counts.
    state.pop(ASKED, None)
    if key == "model":
        state[CHOSEN] = state[key]
        state.pop(TAUGHT_KEY, None)
    if state[key] == (default_model() if key == "model" else settings().engine):
        params.pop(key, None)
    else:
        params[key] = state[key]


def chosen_bundle() -> Bundle | None:
    """Return the model of this session, to be called before the widgets are made.

    None if there is no model that can be opened.
    """
    for name in (st.session_state.get("model"), st.query_params.get("model")):
        if name:
            with suppress(BundleError):
                return get_bundle(name)
    return default_bundle()


def answering_host() -> str | None:
    """Return the host of ``LOUPE_API`` if it answers: an engine that is chosen here runs here."""
    engine = st.session_state.get("engine") or settings().engine
    return settings().api_host if engine == settings().engine else None


def model_to_load() -> str | None:
    """Return the name of the chosen model, None if it is the one that opens first.

    ``load`` then skips it if it can't be used, as at the start of the app.
    """
    chosen: str | None = st.session_state.get("model")
    is_first = chosen == default_model() and st.session_state.get("engine") == settings().engine
    return None if is_first else chosen
