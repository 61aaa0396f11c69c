"""A session, which is one browser tab: its model and engine, its token, its uploads.

The model and engine are the visitor's choice, the address's, or the ones that open first.
"""

import re
import weakref
from contextlib import suppress

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model import Bundle
from model.bundle import get_bundle, list_models
from model.corrections.page_sessions import page_sessions
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
    usable = usable_bundles()
    if name := next((name for name in names if name in usable), None):
        state[CHOSEN] = name
    shown = name or default_model()
    if shown != state.get("model") and shown in usable:
        state["model"] = shown
    bundle = usable.get(state.get("model", ""))
    if bundle and (engine := params.get("engine")):
        if engine in available(bundle):
            state["engine"] = engine
        else:
            del params["engine"]


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


def usable_bundles() -> dict[str, Bundle]:
    """Return the models that can be used, by name."""
    return {name: bundle for name, bundle in list_models().items() if isinstance(bundle, Bundle)}


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


class Session:
    """A session's token for the app's routes, which ends when Streamlit drops the session."""

    def __init__(self) -> None:
        context = get_script_run_ctx()
        self.api_token = page_sessions.open_session(context.session_id if context else "")
        weakref.finalize(self, page_sessions.close_session, self.api_token)


def current_session() -> Session:
    """Return the state of this session."""
    if "session" not in st.session_state:
        st.session_state["session"] = Session()
    session: Session = st.session_state["session"]
    return session


def release_upload(file: UploadedFile) -> None:
    """Free an upload's memory now; Streamlit itself would keep it until the session ends."""
    context = get_script_run_ctx()
    # Streamlit has no public function for this, and not every upload manager has this method.
    remove_file = getattr(context and context.uploaded_file_mgr, "remove_file", None)
    if context and remove_file:
        remove_file(session_id=context.session_id, file_id=file.file_id)
