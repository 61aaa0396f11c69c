"""The viewfinder on the Identify page, a component in JavaScript: ``device/streamlit.mjs``.

The browser owns the visit: photos stay on the visitor's device or go to the app's routes, and the
address names the open answer. In each run, the script reads the address, draws that answer's chart,
and tells the component which answer it drew.
"""

from typing import Any

import streamlit as st

from model.answer.share_link import MAX_LABELS
from model.browser.device_files import LIMITS, index_json
from model.bundle import is_public, list_public
from model.loading import default_model
from model.settings import settings
from ui import component
from ui.app_info import first_words, header_logo
from ui.navigation import get_page
from ui.session_state import current_session, usable_bundles

LOOK_UP_URLS = {
    "Wikipedia": "https://en.wikipedia.org/w/index.php?search=",
    "Images": "https://commons.wikimedia.org/w/index.php?ns6=1&search=",
    "Web search": "https://duckduckgo.com/?q=",
}

ROWS = 5
"""Most labels that the viewfinder draws; the page's chart shows the rest."""

OWN_PARAMS = {"engine", "top"}
"""Query parameters that only Streamlit's widgets understand, so Streamlit has to load first."""

WAY_PARAM, PLAIN = "way", "plain"
"""Query parameter and value that select the page without the viewfinder."""

RUN_PARAM = "run"
"""The query parameter that says where photos are answered."""

RUNS = ("auto", "device", "server")

MAX_RECENT = 8
"""Most photos that a browser keeps, as in ``device/visit/recents.mjs``."""


def has_viewfinder() -> bool:
    """Return whether to show the viewfinder, which needs the app's routes and its own script."""
    # Any value selects the plain page; earlier links name one of its photo sources.
    is_plain = WAY_PARAM in st.query_params or component.FAILED_KEY in st.session_state
    return component.has_routes() and not is_plain


def warn_if_not_loaded() -> None:
    """Warn if a script couldn't be loaded, where the app has scripts at all."""
    if component.has_routes() and component.FAILED_KEY in st.session_state:
        text = "The viewfinder couldn’t be loaded, perhaps because something between this browser "
        text += "and the app blocks its files. Upload a photo here instead."
        st.warning(text, icon=":material/block:")


def link_to_plain() -> None:
    """Link to the page without the viewfinder."""
    query = {WAY_PARAM: PLAIN}
    st.page_link(get_page("identify"), label="Without the viewfinder", query_params=query)


def open_viewfinder() -> None:
    """Leave the plain page; if the viewfinder couldn't be loaded, try it again."""
    st.session_state.pop(component.FAILED_KEY, None)
    st.query_params.pop(WAY_PARAM, None)


def show_viewfinder(token: str, rows: int) -> None:
    """Mount the viewfinder, which draws up to ``rows`` labels.

    ``token`` is that of the answer whose chart this run has drawn; empty if there is none.
    """
    data = {
        **page_data(component.base_path()),
        "session": current_session().api_token,
        "engine": st.session_state.get("engine") or settings().engine,
        "rows": rows,
        "chart": token or None,
    }
    # The same key and position in each run, so that the camera stays open.
    component.mount("viewfinder", "streamlit.mjs", data, on_failed=component.note_failure)


def chosen_run() -> str:
    """Return where photos are identified, by the last address of Identify, else the settings."""
    if not (component.has_routes() and list_public()):
        return "server"
    run = st.session_state.get(RUN_PARAM)
    return run if run in RUNS else settings().run


def newest_answer() -> str:
    """Return the token of the last answer that Identify's address named; empty for none."""
    return str(st.session_state.get("answer", ""))


def remember_visit() -> None:
    """Remember the mode and the answer in Identify's address, for the other pages."""
    st.session_state[RUN_PARAM] = st.query_params.get(RUN_PARAM)
    if token := st.query_params.get("answer"):
        st.session_state["answer"] = token


def early_data() -> dict[str, Any]:
    """Return the viewfinder's data before Streamlit; addresses in it begin with ``{base}``."""
    # Without an outside API, the server chooses: not every model has the settings' engine.
    engine = settings().engine if settings().api else None
    about = {"engine": engine, "rows": ROWS, "session": None, "chart": None}
    return {**page_data("{base}"), **about, "isEarly": True}


def page_data(base: str) -> dict[str, Any]:
    """Return the models, words, limits and settings, as ``device/streamlit.mjs`` takes them.

    The browser finds the app's routes below the path ``base``, which ends with a slash.
    """
    bundles, default = usable_bundles(), default_model()
    models = index_json(bundles.values(), default, f"{base}device/")["models"]
    for entry in models:
        bundle = bundles[entry["name"]]
        recipe = bundle.manifest.recipe.model_dump(mode="json")
        # With these, a browser makes the model's pixels.
        entry["described"] = {"version": bundle.version, "recipe": recipe}
        entry["downloads"] = is_public(bundle)
    return {
        "base": base,
        "models": models,
        "model": default,
        "run": settings().run,
        "api": settings().api and {"engine": settings().engine, "host": settings().api_host},
        "limits": LIMITS,
        "corrections": settings().corrections_max > 0,
        "recent": settings().recent,
        "logo": header_logo()[1],
        # If the line is empty, the viewfinder says what the model knows.
        "words": first_words(None),
        "lookUp": [{"name": name, "url": url} for name, url in LOOK_UP_URLS.items()],
        "top": MAX_LABELS,
    }
