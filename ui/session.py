"""The state of a session, which is one browser tab: its recent photos and the open answer.

Sessions are isolated from each other. A session keeps scaled-down JPEGs of the photos that come by
Streamlit's widgets. The bytes of its newest upload stay in a cache of the process for a while, so
that another model can identify it. Of photos from the viewfinder it keeps only the answers.
"""

import math
import secrets
import weakref
from collections import deque
from dataclasses import dataclass, field, replace
from io import BytesIO
from zlib import crc32

import streamlit as st
from cachetools import LRUCache
from PIL import Image, ImageOps
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model import LoupeError, Prediction, load
from model.preprocess import Pixels
from model.session_answers import session_answers
from model.share_link import encode
from ui.chosen_model import forget_address, model_to_load
from ui.phrasing import phrase_error
from ui.upload_cache import upload_cache

__all__ = [
    "BATCH_PARAM",
    "MAX_PHOTOS",
    "THUMBNAIL_SIDE_PX",
    "Session",
    "SessionPhoto",
    "close_answer",
    "current_session",
    "open_answer",
    "open_token",
    "reclassify",
    "release_upload",
    "restore_page",
    "save_page",
    "square_thumbnail",
    "submit",
    "widget_key",
]

MAX_PHOTOS = 8
"""Maximum number of photos that a session keeps."""

MAX_ANSWERS = 32
"""Maximum number of answers that a session keeps: one per photo, model and engine."""

PICTURE_SIDE_PX = 800
"""Longest side of a kept picture; a phone's screen shows 720 pixels."""

THUMBNAIL_SIDE_PX = 208
"""Side of a square thumbnail, in pixels: about twice what is shown, for sharp screens."""

ANSWER_PARAM = "answer"
"""The query parameter that holds the token of the open answer."""

BATCH_PARAM = "batch"
"""The query parameter that holds the key of the batch on the screen."""


@dataclass(frozen=True)
class SessionPhoto:
    """A photo of this session with one of its answers; ``token`` is the answer's link.

    ``size_px`` is the picture's width and height, ``pixels`` what the model was given.
    Several answers to one photo share its ``photo_id``.
    """

    token: str
    prediction: Prediction
    picture: bytes = field(repr=False)
    size_px: tuple[int, int]
    thumbnail: bytes = field(repr=False)
    pixels: Pixels | None = field(repr=False)
    alt: str
    photo_id: str = field(repr=False)


class Session:
    """A session's photos, newest first, and the state that restores its pages."""

    def __init__(self) -> None:
        self.photos: list[SessionPhoto] = []
        self.dropped_tokens: deque[str] = deque(maxlen=200)
        self.error = ""
        self.resubmissions = 0
        """Photos since the address last changed: repeated or unreadable ones."""
        self.page = ""
        """Hash of the page on the screen."""
        self.address: dict[str, str] = {}
        """Query parameters in the address of that page."""
        self.page_params: dict[str, dict[str, str]] = {}
        """What to restore on each page."""
        self.restored_token = ""
        """Token of an open answer that is not in the address."""
        self.answers: LRUCache[str, Prediction] = LRUCache(MAX_ANSWERS)
        """Answers of the viewfinder, by the tokens of their links."""
        self.api_token = session_answers.open_session()
        """What the viewfinder sends with its photos to the app's routes."""
        self._upload_key, self._uploaded_id = secrets.token_urlsafe(16), ""
        # Both end when Streamlit drops this session.
        weakref.finalize(self, session_answers.close_session, self.api_token)
        weakref.finalize(self, upload_cache.drop, self._upload_key)

    def get_photo(self, token: str) -> SessionPhoto | None:
        """Return the photo with the answer of that token, if this session keeps it."""
        return next((photo for photo in self.photos if photo.token == token), None)

    def recent_photos(self, token: str) -> list[SessionPhoto]:
        """Return each photo once: with the answer of that token, or else with its newest."""
        shown: dict[str, SessionPhoto] = {}
        for photo in self.photos:
            if photo.photo_id not in shown or photo.token == token:
                shown[photo.photo_id] = photo
        return list(shown.values())

    def remember(self, new: SessionPhoto) -> None:
        """Put a photo with its newest answer first; drop photos beyond ``MAX_PHOTOS``.

        The pixels of older answers are dropped, so that a session takes about a megabyte.
        """
        older = [replace(photo, pixels=None) for photo in self.photos if photo.token != new.token]
        photos = [new, *older]
        kept_ids = list(dict.fromkeys(photo.photo_id for photo in photos))[:MAX_PHOTOS]
        self.photos = [photo for photo in photos if photo.photo_id in kept_ids][:MAX_ANSWERS]
        kept_tokens = {photo.token for photo in self.photos}
        self.dropped_tokens += [photo.token for photo in photos if photo.token not in kept_tokens]

    def keep_upload(self, data: bytes, photo_id: str) -> None:
        """Keep the bytes of an upload, in place of the previous one."""
        upload_cache.put(self._upload_key, data)
        self._uploaded_id = photo_id

    def get_upload(self, photo_id: str) -> bytes | None:
        """Return the bytes of an upload if it is the newest and still in the cache."""
        return upload_cache.get(self._upload_key) if photo_id == self._uploaded_id else None


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
    photo_id = secrets.token_urlsafe(8)
    if _identify(data, alt, photo_id):
        session.keep_upload(data, photo_id)
    changed = st.query_params.get(ANSWER_PARAM) != previous_token
    session.resubmissions = 0 if changed else session.resubmissions + 1


def reclassify() -> None:
    """Identify the open photo again, because another model or engine was chosen.

    If the upload has left the cache, the scaled-down picture is used.
    """
    session = current_session()
    forget_address()
    if photo := session.get_photo(open_token()):
        data = session.get_upload(photo.photo_id) or photo.picture
        _identify(data, photo.alt, photo.photo_id)


def _identify(data: bytes, alt: str, photo_id: str) -> bool:
    """Classify a photo, remember it and open its answer; return False if it failed."""
    session = current_session()
    session.error = ""
    try:
        with st.spinner("Looking at your photo…"):
            photo = _classify(data, alt, photo_id)
    except LoupeError as error:
        session.error = phrase_error(error)
        close_answer()
        return False
    session.remember(photo)
    open_answer(photo.token)
    return True


def _classify(data: bytes, alt: str, photo_id: str) -> SessionPhoto:
    classifier = load(model_to_load(), st.session_state.get("engine"))
    identification = classifier.identify_detailed(data)
    photo = identification.photo.scale(_picture_side(identification.photo.image.size))
    return SessionPhoto(
        token=encode(identification.prediction),
        prediction=identification.prediction,
        picture=photo.to_jpeg(side=max(photo.image.size)),
        size_px=photo.image.size,
        thumbnail=square_thumbnail(photo.image),
        pixels=identification.pixels,
        alt=alt,
        photo_id=photo_id,
    )


def _picture_side(size: tuple[int, int]) -> int:
    """Return the longest side of a kept picture, larger if it is narrow, to keep it readable."""
    return round(PICTURE_SIDE_PX * math.sqrt(max(1.0, max(size) / min(size) / 2)))


def open_token() -> str:
    """Return the token of the open answer; empty if none is open."""
    return st.query_params.get(ANSWER_PARAM) or current_session().restored_token


def open_answer(token: str) -> None:
    """Show an answer and write it into the address."""
    st.query_params[ANSWER_PARAM] = token


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
    that is alone in the address stays there on every page, and a reload shows it again; any other
    answer is only remembered. A batch is written in spite of the entry, which shows the previous
    page: a reload would lose it. A link with its own parameters takes precedence.
    """
    session, page = current_session(), _page_hash()
    if session.page in ("", page):
        return
    session.page, saved = page, session.page_params.get(page, {})
    if st.query_params:
        saved = {}
    elif set(session.address) == {ANSWER_PARAM}:
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


def square_thumbnail(image: Image.Image) -> bytes:
    """Return the middle of an RGB image as a square JPEG of ``THUMBNAIL_SIDE_PX``."""
    file = BytesIO()
    ImageOps.fit(image, (THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX)).save(file, "JPEG", quality=85)
    return file.getvalue()
