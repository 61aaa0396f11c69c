"""The state of a session, which is one browser tab: its newest photo and the open answer.

Sessions are isolated from each other. Of a photo that comes by Streamlit's widgets a session keeps
a scaled-down JPEG until the next one, which another model can identify. Recent photos are in the
visitor's own browser.
"""

import math
import secrets
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model import LoupeError, load
from model.answer.answer_json import answer_to_json
from model.answer.share_link import MAX_LABELS
from model.corrections.page_sessions import page_sessions
from ui.chosen_model import TAUGHT_KEY, answer_model, choose_model, model_to_load, write_address
from ui.phrasing import phrase_error

PICTURE_SIDE_PX = 1280
"""Longest side of a kept picture."""

ANSWER_PARAM = "answer"
"""The query parameter that holds the token of the open answer."""

BATCH_PARAM = "batch"
"""The query parameter that holds the key of the batch on the screen."""


@dataclass(frozen=True, slots=True)
class SessionPhoto:
    """The newest photo from a widget, scaled down, with its answer as JSON."""

    id: str
    picture: bytes = field(repr=False)
    alt: str
    answer: dict[str, Any]

    @property
    def token(self) -> str:
        """The token of the answer's link."""
        return str(self.answer["token"])


class Session:
    """A session's newest photo, and the state that restores its pages."""

    def __init__(self) -> None:
        self.photo: SessionPhoto | None = None
        self.own_tokens: deque[str] = deque(maxlen=50)
        """Tokens of answers that this visitor got, or opened from the recent photos."""
        self.heard = 0
        """Number of the viewfinder's last message that was acted on."""
        self.written: dict[str, str | None] = {}
        """Query parameters as that message left them."""
        self.error = ""
        self.resubmissions = 0
        """Photos since the address last changed: repeated or unreadable ones."""
        self.page = ""
        """Hash of the page on the screen."""
        self.address: dict[str, str] = {}
        """Query parameters in the address of that page."""
        self.page_params: dict[str, dict[str, str]] = {}
        """Query parameters to restore, by page."""
        self.restored_token = ""
        """Token of an open answer that is not in the address."""
        context = get_script_run_ctx()
        self.api_token = page_sessions.open_session(context.session_id if context else "")
        """Token of this session at the app's routes; it ends when Streamlit drops the session."""
        weakref.finalize(self, page_sessions.close_session, self.api_token)


def current_session() -> Session:
    """Return the state of this session."""
    if "session" not in st.session_state:
        st.session_state["session"] = Session()
    session: Session = st.session_state["session"]
    return session


def submit(data: bytes, alt: str) -> None:
    """Identify a photo with the chosen model, and open its answer or show its error.

    Args:
        data: the uploaded file.
        alt: description for screen readers.
    """
    session, previous_token = current_session(), st.query_params.get(ANSWER_PARAM)
    _identify(data, alt)
    changed = st.query_params.get(ANSWER_PARAM) != previous_token
    session.resubmissions = 0 if changed else session.resubmissions + 1


def reclassify(name: str) -> None:
    """Choose a model, and identify the open photo again.

    It is the scaled-down picture. A photo that only the browser keeps is identified again by the
    component.
    """
    session, token, param = current_session(), open_token(), choose_model(name)
    if (photo := session.photo) and photo.token == token:
        _identify(photo.picture, photo.alt, photo.picture)
    else:
        session.restored_token = ""
        write_address(**{ANSWER_PARAM: None, "model": param})


def choose_taught(name: str) -> None:
    """Choose a model that the visitor's browser keeps; no answer of the app's is open then."""
    current_session().restored_token = ""
    st.session_state[TAUGHT_KEY] = name
    write_address(**{ANSWER_PARAM: None, "model": name})


def _identify(data: bytes, alt: str, picture: bytes = b"") -> None:
    """Identify a photo and open its answer, or keep the error.

    Args:
        data: the photo's file.
        alt: description for screen readers.
        picture: the photo scaled down; by default it is made.
    """
    session = current_session()
    session.error, session.photo = "", None
    try:
        with st.spinner("Looking at your photo…"):
            classifier = load(model_to_load(), st.session_state.get("engine"))
            identification = classifier.identify_detailed(data)
            photo, prediction = identification.photo, identification.prediction
            session.photo = SessionPhoto(
                id=secrets.token_hex(8),
                picture=picture or photo.to_jpeg(_picture_side(photo.image.size)),
                alt=alt,
                answer=answer_to_json(prediction, classifier.bundle.manifest, MAX_LABELS),
            )
    except LoupeError as error:
        session.error = phrase_error(error)
        close_answer()
        return
    session.own_tokens.append(session.photo.token)
    open_answer(session.photo.token)


def _picture_side(size: tuple[int, int]) -> int:
    """Return the longest side of a kept picture, larger if it is narrow, to keep it readable."""
    return round(PICTURE_SIDE_PX * math.sqrt(max(1.0, max(size) / min(size) / 2)))


def open_token() -> str:
    """Return the token of the open answer; empty if none is open."""
    return st.query_params.get(ANSWER_PARAM) or current_session().restored_token


def open_answer(token: str) -> None:
    """Show an answer and write it into the address, together with its model."""
    values: dict[str, str | None] = {ANSWER_PARAM: token}
    if name := answer_model(token):
        values["model"] = choose_model(name)
    write_address(**values)


def close_answer() -> None:
    """Show the empty page."""
    current_session().restored_token = ""
    st.query_params.pop(ANSWER_PARAM, None)


def save_page() -> None:
    """Remember a page's address and answer for when the visitor comes back to it."""
    session = current_session()
    session.page, session.address = _page_hash(), st.query_params.to_dict()
    session.page_params[session.page] = {ANSWER_PARAM: session.restored_token} | session.address


def restore_page() -> None:
    """Restore the open answer or batch when the visitor comes from another page.

    To be called before ``st.navigation``. For each address that a script writes Streamlit adds an
    entry to the browser's history, unless the browser shows that address already. So an answer
    and a model that are alone in the address stay there on every page, and a reload shows them
    again; any other answer is only remembered. A batch is written in spite of the entry, which
    shows the previous page: a reload would lose it. A link with its own parameters takes
    precedence.
    """
    session, page = current_session(), _page_hash()
    if session.page in ("", page):
        return
    session.page, saved = page, session.page_params.get(page, {})
    if st.query_params:
        saved = {}
    elif session.address and set(session.address) <= {ANSWER_PARAM, "model"}:
        st.query_params.update(session.address)
    session.restored_token = saved.get(ANSWER_PARAM, "")
    if BATCH_PARAM in saved:
        st.query_params[BATCH_PARAM] = saved[BATCH_PARAM]


def _page_hash() -> str:
    context = get_script_run_ctx()
    return context.page_script_hash if context else ""


def widget_key(kind: str) -> str:
    """Return a widget key that changes after each photo, which clears the uploader.

    Derived from the URL, not the session, so that a new process after a restart computes
    the same key and still receives the file.
    """
    token = st.query_params.get(ANSWER_PARAM, "")
    return f"{kind}-{crc32(token.encode())}-{current_session().resubmissions}"


def release_upload(file: UploadedFile) -> None:
    """Free an upload's memory now; Streamlit itself would keep it until the session ends."""
    context = get_script_run_ctx()
    # Streamlit has no public function for this, and not every upload manager has this method.
    remove_file = getattr(context and context.uploaded_file_mgr, "remove_file", None)
    if context and remove_file:
        remove_file(session_id=context.session_id, file_id=file.file_id)
