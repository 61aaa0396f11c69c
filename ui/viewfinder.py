"""The component that takes photos and shows answers: the first screen's viewfinder.

It is in JavaScript, ``device/streamlit.mjs``, which Streamlit mounts. Its photos don't travel
through Streamlit: they stay on the visitor's device or go to ``/api/session/``. Photos from
Streamlit's own widgets are identified here, and the component shows them with their answers.
It sends back the link of the answer that is open, which is checked like any other link, and the
visitor's choices.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from model import Bundle, LoupeError
from model.answer.share_link import MAX_LABELS, MAX_TOKEN_LENGTH, decode
from model.browser.device_files import LIMITS, index_json
from model.bundle import is_public, list_public
from model.loading import default_model
from model.settings import settings
from ui import component
from ui.answer_view import answer_json, find_bundle
from ui.app_info import first_words, header_logo
from ui.capture import SOURCES
from ui.chosen_model import TAUGHT_KEY, answering_host, is_taught, write_address
from ui.component_requests import responses, take_request
from ui.phrasing import SIGNATURE_NOTES
from ui.session import (
    ANSWER_PARAM,
    Session,
    choose_taught,
    close_answer,
    current_session,
    open_answer,
    open_token,
    reclassify,
)
from ui.settings_menu import usable_bundles

VIEWFINDER = "Viewfinder"
"""The viewfinder's name among the photo sources."""

WAY_KEY = "way"
"""The key and the query parameter of the chosen photo source."""

KEY, ANSWER_KEY = "viewfinder", "answer_view"
"""Keys of the component with its camera, and without it."""

RUN_PARAM = "run"
"""The query parameter that says where photos are answered."""

RUNS = ("auto", "device", "server")

ROWS = 5
"""Most labels that the component draws; the page's chart shows the rest."""

MAX_RECENT = 8
"""Photos that a browser keeps, as in ``device/view/recents.mjs``."""

MAX_MESSAGES = 20
"""Most messages of the component that one run acts on."""

LOOK_UP_URLS = {
    "Wikipedia": "https://en.wikipedia.org/w/index.php?search=",
    "Images": "https://commons.wikimedia.org/w/index.php?ns6=1&search=",
    "Web search": "https://duckduckgo.com/?q=",
}

_mount = st.components.v2.component("viewfinder", js=component.SCRIPT)


def ways() -> tuple[str, ...]:
    """Return the ways to give a photo, the first by default."""
    return (VIEWFINDER, *SOURCES) if component.has_routes() else SOURCES


def is_chosen() -> bool:
    """Return whether the viewfinder is the way to give a photo, before its widget is made."""
    way = st.session_state.get(WAY_KEY) or st.query_params.get(WAY_KEY)
    return component.has_routes() and way not in SOURCES


def show_viewfinder(bundles: dict[str, Bundle], bundle: Bundle | None, rows: int) -> None:
    """Show the component; without its camera if another way to give a photo is chosen.

    Args:
        bundles: the models that can be chosen, by name.
        bundle: the chosen one.
        rows: most labels to draw.
    """
    _mount(
        # The same key and position in each run, so that the camera stays open.
        key=KEY if is_chosen() else ANSWER_KEY,
        data=_data(bundles, bundle, rows),
        on_messages_change=_on_messages,
        on_failed_change=_on_failed,
    )


def _data(bundles: dict[str, Bundle], bundle: Bundle | None, rows: int) -> dict[str, Any]:
    """Return what the component needs, as JSON; the same in each run until something changes."""
    session, token, base = current_session(), open_token(), component.base_path()
    has_routes = component.has_routes()
    models = index_json(bundles.values(), default_model(), f"{base}device/")["models"]
    for entry in models:
        entry["downloads"] = has_routes and is_public(bundles[entry["name"]])
    return {
        "models": models,
        "script": component.script_address("streamlit.mjs"),
        "base": base,
        "capture": is_chosen(),
        "routes": has_routes,
        "limits": LIMITS,
        "described": bundle and _preprocessing_json(bundle),
        "model": bundle.name if bundle else None,
        "taught": st.session_state.get(TAUGHT_KEY),
        "engine": st.session_state.get("engine") or settings().engine,
        "run": chosen_run(),
        "api": answering_host(),
        "session": session.api_token,
        "corrections": settings().corrections_max > 0,
        "recent": settings().recent,
        "logo": header_logo()[1],
        "words": first_words(bundle),
        "lookUp": [{"name": name, "url": url} for name, url in LOOK_UP_URLS.items()],
        "top": MAX_LABELS,
        "rows": rows,
        "open": token or None,
        "heard": session.heard,
        "upload": (upload := _upload(session, token, base)),
        "shared": None if upload else _shared_answer(session, token),
        "responses": responses(),
    }


def _preprocessing_json(bundle: Bundle) -> dict[str, Any]:
    """Return what a browser needs to make the model's pixels."""
    recipe = bundle.manifest.recipe.model_dump(mode="json")
    return {"name": bundle.name, "version": bundle.version, "recipe": recipe}


def _upload(session: Session, token: str, base: str) -> dict[str, Any] | None:
    """Return the photo from one of Streamlit's widgets, if its answer is open."""
    photo = session.photo
    if photo is None or photo.token != token:
        return None
    url = ""
    if runtime.exists():
        # As st.image does; the file lasts until a run that doesn't name it.
        files = runtime.get_instance().media_file_mgr
        url = base + files.add(photo.picture, "image/jpeg", KEY).lstrip("/")
    return {"id": photo.id, "url": url, "alt": photo.alt, "answer": photo.answer}


def _shared_answer(session: Session, token: str) -> dict[str, Any] | None:
    """Return the answer in the address, for a browser that doesn't keep its photo."""
    if not token:
        return None
    try:
        shared = decode(token)
    except LoupeError:
        return None
    note = SIGNATURE_NOTES[shared.signature]
    if token in session.own_tokens:
        note = (
            "You got this answer earlier, but its photo isn’t kept any more. Take the photo again "
            "to see why, or to correct it."
        )
    if find_bundle(shared.prediction) is None:
        note = f"An earlier version of this model gave this answer. {note}"
    return {"note": note, "answer": answer_json(shared.prediction, token)}


def chosen_run() -> str:
    """Return where photos are answered, by the settings and the address."""
    if not (component.has_routes() and list_public()):
        return "server"
    run, context = st.session_state.get(RUN_PARAM), get_script_run_ctx()
    # Other pages drop the parameter. Until the app replies, a browser sends the previous choice's.
    if run is None or (context and context.is_history_navigation):
        run = st.query_params.get(RUN_PARAM) or run
    if run not in RUNS:
        return settings().run
    st.session_state[RUN_PARAM] = run
    return str(run)


def _on_messages() -> None:
    """Act on messages, ``[{"id", "name", "value"}]``, which are repeated until acknowledged."""
    session = current_session()
    components = [st.session_state.get(key, {}) for key in (KEY, ANSWER_KEY)]
    messages = next((sent for state in components if (sent := state.get("messages"))), None)
    for message in messages[-MAX_MESSAGES:] if isinstance(messages, list) else ():
        fields = message if isinstance(message, dict) else {}
        number, name = fields.get("id"), fields.get("name")
        if not isinstance(number, int):
            continue
        if number > session.heard:
            session.heard = number
            if isinstance(name, str) and name in _ACTIONS:
                _ACTIONS[name](fields.get("value"))
            session.written = {key: st.query_params.get(key) for key in _WRITTEN_PARAMS}
        # Also if nothing seems to change: the browser sends the address from before the app's last
        # reply, which may be on its way.
        write_address(**session.written)


def _open(token: object) -> None:
    """Open the answer that the visitor got, or chose among recent photos; or none."""
    session = current_session()
    session.error = ""
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_LENGTH:
        close_answer()
        return
    session.own_tokens.append(token)
    open_answer(token)


def _choose_model(name: object) -> None:
    """Choose a model, as the selector does, or one of the visitor's own."""
    if is_taught(name):
        choose_taught(str(name))
    elif isinstance(name, str) and name in usable_bundles():
        reclassify(name)


def _choose_run(run: object) -> None:
    """Choose where photos are answered."""
    if run in RUNS:
        st.session_state[RUN_PARAM] = run
        write_address(**{RUN_PARAM: None if run == settings().run else str(run)})


def _answer_request(request: object) -> None:
    """Answer a request, on a host without ``/api/session/``."""
    # With routes, the limits on their bodies hold.
    if not component.has_routes():
        take_request(request)


def forget_photo(_: object = None) -> None:
    """Forget the newest upload with the visitor's recent photos."""
    current_session().photo = None


_WRITTEN_PARAMS = (ANSWER_PARAM, "model", RUN_PARAM)

_ACTIONS: dict[str, Callable[[object], None]] = {
    "opened": _open,
    "model": _choose_model,
    "run": _choose_run,
    "request": _answer_request,
    "cleared": forget_photo,
    # A run without a change brings the session's token again.
    "renew": lambda _: None,
}


def _on_failed() -> None:
    """Offer Streamlit's own widgets, because the component's script did not load."""
    st.session_state[component.FAILED_KEY] = True
    if is_chosen():
        st.session_state[WAY_KEY] = "Upload"
        current_session().error = (
            "The viewfinder couldn’t be loaded, perhaps because something between this browser "
            "and the app blocks its files. Upload a photo here instead."
        )
