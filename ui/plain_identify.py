"""Identify without the viewfinder: with Streamlit's widgets, and the model in this process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model import Bundle, LoupeError, Prediction, load
from model.answer.phrases import trust_lines
from model.answer.share_link import SIGNATURE_NOTES, bundle_of, decode, encode
from model.bundle import BundleSample, read_samples
from model.corrections.page_sessions import page_sessions
from model.corrections.store import SAVED
from model.explanation import occlusion_map, render_overlay
from model.photo import FORMAT_NAMES, MAX_BYTES
from model.settings import settings
from ui.app_info import app_description, app_title
from ui.charts import draw_answer
from ui.phrasing import escape_markdown, headline, phrase_error, say_passed_on, to_markdown
from ui.session_state import answering_host, current_session, model_to_load, release_upload

SOURCES = ("Upload", "Camera", "Sample")
UPLOADED = "The photo you uploaded"
PICTURE_PX = 1280
"""Longest side of the copy that is kept of a photo, in pixels."""

STATE = "plain"
"""Key of the newest photo in the session's state."""


@dataclass
class Shown:
    """The newest photo, scaled down, with its answer; or why it has none."""

    alt: str = ""
    picture: bytes = field(default=b"", repr=False)
    token: str = ""
    error: str = ""
    round: int = 0
    """Number of photos so far. It is in the widgets' keys, so each photo clears them."""


def show_plain(bundle: Bundle | None, top_k: int) -> None:
    """Show the page: a photo source, the answer with a chart of ``top_k`` labels, its actions."""
    shown: Shown = st.session_state.setdefault(STATE, Shown())
    token = st.query_params.get("answer", "")
    if not token:
        st.title(escape_markdown(app_title(bundle)), anchor=False)
        st.write(escape_markdown(app_description(bundle)))
    st.caption(
        "The whole file goes to the server, which keeps a smaller copy in memory during your "
        f"visit and saves it only if you choose to.{say_passed_on('file', answering_host())}"
    )
    way = st.query_params.get("way", "")
    source = st.segmented_control(
        "Photo source",
        SOURCES,
        default=way if way in SOURCES else SOURCES[0],
        required=True,
        key="source",
        label_visibility="collapsed",
    )
    _show_source(str(source), shown, bundle)
    if shown.error:
        st.warning(shown.error, icon=":material/broken_image:")
    if token:
        _show_answer(token, shown, top_k)


def identify_again() -> None:
    """Identify the open photo again, with the chosen model and engine."""
    shown: Shown = st.session_state.get(STATE, Shown())
    if shown.picture and shown.token == st.query_params.get("answer"):
        _identify(shown.picture, shown.alt)
    else:
        st.query_params.pop("answer", None)


def _show_source(source: str, shown: Shown, bundle: Bundle | None) -> None:
    key = f"{source.lower()}-{shown.round}"
    if source == "Sample":
        _show_samples(read_samples(bundle) if bundle else ())
    elif source == "Camera" and not _is_secure():
        text = "Browsers only allow camera access over HTTPS, and this page was opened over HTTP. "
        text += "Use Upload: on a phone it opens your camera."
        st.info(text, icon=":material/no_photography:")
    elif source == "Camera":
        label, args = "Point the camera at it", (key, "The photo you took")
        st.camera_input(label, resolution="1080p", key=key, on_change=_take, args=args)
    else:
        label, args = f"Take a photo or choose one. {FORMAT_NAMES}.", (key, UPLOADED)
        limit_mb = MAX_BYTES // 2**20
        # Any file: with a list of picture types, Android leaves out the camera.
        st.file_uploader(label, None, max_upload_size=limit_mb, key=key, on_change=_take, args=args)


def _show_samples(samples: Sequence[BundleSample]) -> None:
    if not samples:
        st.caption("This model has no samples. Use Upload or Camera instead.")
    with st.container(horizontal=True):
        for number, sample in enumerate(samples):
            with st.container(width=104, gap="xsmall"):
                st.image(sample.thumbnail, alt=sample.entry.alt, width="stretch")
                title, args = escape_markdown(sample.entry.title), (sample.photo, sample.entry.alt)
                key = f"sample-{number}"
                st.button(title, key=key, on_click=_identify, args=args, width="stretch")


def _is_secure() -> bool:
    """Return whether the browser counts the page as secure, so that it allows the camera."""
    url = urlsplit(st.context.url or "")
    host = url.hostname or "localhost"
    is_local = host in ("localhost", "::1") or host.endswith(".localhost") or host[:4] == "127."
    return url.scheme == "https" or is_local


def _take(key: str, alt: str) -> None:
    file = st.session_state.get(key)
    if isinstance(file, UploadedFile):
        data = file.getvalue()
        release_upload(file)
        _identify(data, alt)


def _identify(data: bytes, alt: str) -> None:
    """Identify a photo with the chosen model, and name its answer in the address."""
    before: Shown = st.session_state.get(STATE, Shown())
    shown = st.session_state[STATE] = Shown(alt, round=before.round + 1)
    try:
        classifier = load(model_to_load(), st.session_state.get("engine"))
        identification = classifier.identify_detailed(data)
        shown.picture = identification.photo.to_jpeg(PICTURE_PX)
        shown.token = st.query_params["answer"] = encode(identification.prediction)
    except LoupeError as error:
        shown.error = phrase_error(error)
        st.query_params.pop("answer", None)


def _show_answer(token: str, shown: Shown, top_k: int) -> None:
    try:
        answer = decode(token)
    except LoupeError as error:
        st.warning(phrase_error(error), icon=":material/link_off:")
        return
    prediction, is_own = answer.prediction, token == shown.token
    st.header(headline(prediction), anchor=False)
    bundle = bundle_of(prediction)
    for line in trust_lines(prediction, bundle.manifest if bundle else None):
        st.caption(to_markdown(line))
    draw_answer(prediction, top_k)
    if not is_own:
        st.caption(SIGNATURE_NOTES[answer.signature])
        return
    st.image(shown.picture, alt=shown.alt, width=360)
    with st.expander("Why?"):
        if st.button("Cover parts of the photo", icon=":material/visibility:", key="why"):
            _explain(shown, prediction)
    if settings().corrections_max:
        with st.expander("Wrong?"):
            _show_correction(shown, prediction)
    with st.expander("Share"):
        st.caption("Anyone with this link sees the answer, but not your photo.")
        address = (st.context.url or "").partition("?")[0].rstrip("/")
        st.code(f"{address}/?answer={token}", language=None)


def _explain(shown: Shown, prediction: Prediction) -> None:
    """Compute and show the occlusion map, on this server."""
    try:
        with st.spinner("Covering one part of the photo at a time…"):
            classifier = load(prediction.model, prediction.engine).local
            pixels = classifier.identify_detailed(shown.picture).pixels
            importance = occlusion_map(classifier, pixels, prediction.top(1)[0].index)
    except LoupeError as error:
        st.warning(phrase_error(error))
        return
    label = escape_markdown(prediction.top(1)[0].label)
    st.image(render_overlay(pixels, importance), width=360)
    st.caption(
        f"Light parts decided it: cover them and the model is less sure of {label}. This shows "
        "where it looked, not whether it is right."
    )


def _show_correction(shown: Shown, prediction: Prediction) -> None:
    with st.form("correction", clear_on_submit=True):
        word = st.text_input("What is it?", max_chars=100)
        has_photo = st.checkbox("Save a small copy of my photo as well")
        st.caption(SAVED)
        if not st.form_submit_button("Save") or not word.strip():
            return
    try:
        classifier = load(prediction.model, prediction.engine).local
        identification = classifier.identify_detailed(shown.picture) if has_photo else None
        wording = "form-photo-1" if has_photo else "form-1"
        number = page_sessions.save_correction(
            current_session().api_token, shown.token, [word.strip()], identification, wording
        )
    except LoupeError as error:
        st.warning(phrase_error(error))
    else:
        st.success(f"Thanks. To have it deleted, mention number {number} to the owner of this app.")
