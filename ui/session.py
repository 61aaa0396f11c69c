"""What one visitor's visit holds: the last answers, never anybody else's.

A photo is kept scaled down and re-encoded. The newest one's own bytes stay on a
shelf of the process for a while, so that another model can look at it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from zlib import crc32

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model import Classifier, LoupeError, Prediction, load
from model.preprocess import Pixels
from model.share_link import encode
from ui.phrasing import refusal
from ui.upload_cache import originals

__all__ = [
    "Session",
    "SessionPhoto",
    "reclassify",
    "release_upload",
    "restore_query",
    "save_query",
    "session",
    "submit",
    "widget_key",
]

KEPT = 8
SIDE = 800
"""Pixels of the longer side of a picture that is kept: a phone's screen shows 720."""

THUMBNAIL = 208

PARAMETER = "answer"


@dataclass(frozen=True)
class SessionPhoto:
    """A photo of this visit with its answer; ``token`` is its link."""

    token: str
    prediction: Prediction
    picture: bytes = field(repr=False)
    thumbnail: bytes = field(repr=False)
    pixels: Pixels | None = field(repr=False)
    alt: str
    original: str = field(repr=False, default="")


@dataclass
class Session:
    """The visit's answers, newest first."""

    answers: list[SessionPhoto] = field(default_factory=list)
    refusal: str = ""
    again: int = 0
    """Photos since the address last changed: sent twice, or refused."""
    addresses: dict[str, dict[str, str]] = field(default_factory=dict)

    def find(self, token: str) -> SessionPhoto | None:
        """The answer with that link, if it was given in this visit."""
        return next((answer for answer in self.answers if answer.token == token), None)

    def keep(self, answer: SessionPhoto) -> None:
        """Put an answer first; the eighth before it leaves.

        Of older ones the picture stays: a visit is a megabyte, and many are remembered.
        """
        for old in self.answers:
            if old.original != answer.original:
                originals.drop(old.original)
        others = [replace(old, pixels=None) for old in self.answers if old.token != answer.token]
        self.answers = [answer, *others][:KEPT]


def session() -> Session:
    """This session's visit."""
    if "visit" not in st.session_state:
        st.session_state["visit"] = Session()
    found: Session = st.session_state["visit"]
    return found


def restore_query(path: str) -> None:
    """Give a page the address it had: its answer and choices, which Streamlit forgets.

    A link that names anything itself is left as it is.
    """
    if not st.query_params:
        st.query_params.from_dict(session().addresses.get(path, {}))


def save_query(path: str) -> None:
    """Keep a page's address for when the visitor comes back to it."""
    session().addresses[path] = st.query_params.to_dict()


def submit(data: bytes, alt: str) -> None:
    """Answer for a photo with the chosen model, and open the answer's link.

    A refusal is kept for the page to show.
    """
    here, before = session(), st.query_params.get(PARAMETER)
    here.refusal = ""
    _try(lambda: _answer(data, alt, originals.put(data)))
    here.again = here.again + 1 if st.query_params.get(PARAMETER) == before else 0


def widget_key(kind: str) -> str:
    """A widget's key that is another one after each photo, so that it lets go of its file.

    It is made of the address. A browser whose server was started again, or whose replica
    died, acts on what it shows before anything is drawn anew: the new visit, which knows
    nothing but the address, then draws a widget of the same key and takes the photo.
    """
    return f"{kind}-{crc32(st.query_params.get(PARAMETER, '').encode())}-{session().again}"


def reclassify() -> None:
    """Answer for the photo on the screen again: the model or the engine was changed.

    Where the photo as it was sent has left, its scaled-down picture stands in for it.
    """
    shown = session().find(st.query_params.get(PARAMETER, ""))
    if shown:
        data = originals.get(shown.original) or shown.picture
        _try(lambda: _answer(data, shown.alt, shown.original))


def _try(work: Callable[[], None]) -> None:
    try:
        with st.spinner("Looking at the photo …"):
            work()
    except LoupeError as error:
        session().refusal = refusal(error)
        st.query_params.pop(PARAMETER, None)


def _answer(data: bytes, alt: str, original: str) -> None:
    classifier: Classifier = load(st.session_state.get("model"), st.session_state.get("engine"))
    examined = classifier.identify_detailed(data)
    answer = SessionPhoto(
        token=encode(examined.prediction),
        prediction=examined.prediction,
        picture=examined.photo.to_jpeg(SIDE),
        thumbnail=examined.photo.to_jpeg(THUMBNAIL),
        pixels=examined.pixels,
        alt=alt,
        original=original,
    )
    session().keep(answer)
    st.query_params[PARAMETER] = answer.token


def release_upload(file: UploadedFile) -> None:
    """Let the server forget an upload now, not when the visit ends."""
    context = get_script_run_ctx()
    forget = getattr(context and context.uploaded_file_mgr, "remove_file", None)
    if context and forget:
        forget(session_id=context.session_id, file_id=file.file_id)
