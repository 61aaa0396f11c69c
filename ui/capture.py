"""The sources of a photo: upload, camera, samples."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model import Bundle
from model.bundle import BundleSample, read_samples
from model.photo import FORMAT_NAMES, MAX_BYTES
from ui.chosen_model import answering_host
from ui.phrasing import escape_markdown, say_passed_on
from ui.session import close_answer, release_upload, submit, widget_key

SOURCES = ("Upload", "Camera", "Sample")


def capture(source: str, bundle: Bundle | None, *, is_answered: bool) -> None:
    """Show the chosen source; a photo that comes in is answered before the page is drawn.

    Args:
        source: one of ``SOURCES``.
        bundle: the model, whose samples are offered.
        is_answered: an answer is open below.
    """
    st.caption(
        "The whole file goes to the server, which keeps it in memory during your visit and saves "
        f"it only if you choose to.{say_passed_on('file', answering_host())}"
    )
    if source == "Camera":
        _camera(is_answered=is_answered)
    elif source == "Sample":
        _sample_buttons(read_samples(bundle) if bundle else (), has_pictures=not is_answered)
    else:
        _upload(is_answered=is_answered)


def _upload(*, is_answered: bool) -> None:
    key, alt = widget_key("upload"), "The photo you uploaded"
    file = st.file_uploader(
        "Take a photo or choose one",
        # Any file, because with a list of picture types Android leaves out the camera. The
        # content decides whether it is a photo, not the suffix.
        type=None,
        max_upload_size=MAX_BYTES // 2**20,
        key=key,
        on_change=_on_upload,
        args=(key, alt),
        help="To paste a picture, select this button and press Ctrl+V (⌘V on a Mac).",
    )
    if not is_answered:
        st.caption(f"{FORMAT_NAMES}.")
    _submit_leftover(file, key, alt)


def _camera(*, is_answered: bool) -> None:
    if not _is_secure():
        st.info(
            "Browsers only allow camera access over HTTPS, and this page was opened over HTTP. "
            "Use Upload: on a phone it opens your camera.",
            icon=":material/no_photography:",
        )
        _upload(is_answered=is_answered)
        return
    if is_answered:
        st.button("Take another photo", icon=":material/photo_camera:", on_click=close_answer)
        return
    key, alt = widget_key("camera"), "The photo you took"
    file = st.camera_input(
        "Point the camera at it",
        resolution="1080p",
        key=key,
        on_change=_on_upload,
        args=(key, alt),
    )
    _submit_leftover(file, key, alt)


def _on_upload(key: str, alt: str) -> None:
    file = st.session_state.get(key)
    # A file that was just released comes back without its bytes.
    if isinstance(file, UploadedFile):
        data = file.getvalue()
        release_upload(file)
        submit(data, alt)


def _submit_leftover(file: UploadedFile | None, key: str, alt: str) -> None:
    """Submit a file for which no callback ran, because its widget is new to this session."""
    if isinstance(file, UploadedFile):
        _on_upload(key, alt)
        st.rerun()


def _sample_buttons(samples: Sequence[BundleSample], *, has_pictures: bool) -> None:
    if not samples:
        st.caption("This model has no samples. Choose another way to give a photo.")
    with st.container(horizontal=True):
        for number, sample in enumerate(samples):
            with st.container(width=104 if has_pictures else "content", gap="xsmall"):
                if has_pictures:
                    st.image(sample.thumbnail, alt=sample.entry.alt, width="stretch")
                is_clicked = st.button(
                    escape_markdown(sample.entry.title),
                    key=f"sample-{number}",
                    on_click=_submit_sample,
                    args=(sample,),
                    width="stretch",
                )
            # A click for which no callback ran, as with a leftover file.
            if is_clicked and st.session_state.pop("sample", None) != sample.names:
                _submit_sample(sample)
                st.rerun()
    titles: dict[str, list[str]] = {}
    for entry in (sample.entry for sample in samples if sample.entry.author):
        credit = f"{entry.author}, {entry.licence or 'licence not stated'}"
        titles.setdefault(credit, []).append(entry.title)
    if has_pictures and titles:
        names = "; ".join(f"{', '.join(shown)}: {credit}" for credit, shown in titles.items())
        st.caption(f"Photos: {escape_markdown(names)}.")


def _submit_sample(sample: BundleSample) -> None:
    st.session_state["sample"] = sample.names
    submit(sample.photo, sample.entry.alt)


def _is_secure() -> bool:
    """Return whether the browser counts the page as secure, so that it allows the camera."""
    url = urlsplit(st.context.url or "")
    host = url.hostname or "localhost"
    is_local = (
        host in {"localhost", "::1"} or host.endswith(".localhost") or host.startswith("127.")
    )
    return url.scheme == "https" or is_local
