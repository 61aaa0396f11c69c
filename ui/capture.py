"""The ways of a photo into the app: upload, camera, sample."""

from urllib.parse import urlsplit

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model.samples import Sample, samples
from ui.session import release_upload, submit, widget_key

__all__ = ["WAYS", "capture", "is_secure"]

WAYS = ("Upload", "Camera", "Sample")
PHOTO_MB = 20


def capture(way: str, *, answered: bool) -> None:
    """The chosen way; a photo that comes in is answered before the page is drawn."""
    if way == "Camera":
        _camera(answered=answered)
    elif way == "Sample":
        _samples(pictures=not answered)
    else:
        _upload()


def _upload() -> None:
    # On a phone this opens its own camera or gallery, with the rear camera and in full size.
    key, alt = widget_key("upload"), "The photo that you sent"
    file = st.file_uploader(
        "Take a photo or choose one",
        # "image" makes phones offer the camera; the rest are kinds that systems do not know.
        type=["image", "heic", "heif", "avif"],
        max_upload_size=PHOTO_MB,
        key=key,
        on_change=_taken,
        args=(key, alt),
        help="With the focus on the button, Ctrl+V pastes a picture.",
    )
    _left_over(file, key, alt)


def _camera(*, answered: bool) -> None:
    if not is_secure():
        st.info(
            "Browsers give a page the camera only over https, and this page came over plain "
            "http. Upload instead: on a phone it opens the camera.",
            icon=":material/no_photography:",
        )
        _upload()
        return
    if answered:
        st.button("Take another photo", icon=":material/photo_camera:", on_click=_again)
        return
    key, alt = widget_key("camera"), "The photo that you took"
    file = st.camera_input(
        "Point the camera at it",
        resolution="1080p",
        key=key,
        on_change=_taken,
        args=(key, alt),
    )
    _left_over(file, key, alt)


def _samples(*, pictures: bool) -> None:
    found = samples()
    with st.container(horizontal=True):
        for sample in found:
            with st.container(width=104 if pictures else "content", gap="xsmall"):
                if pictures:
                    st.image(_thumbnail(sample), alt=sample.alt, width="stretch")
                clicked = st.button(
                    sample.title,
                    key=f"sample-{sample.name}",
                    on_click=_sampled,
                    args=(sample,),
                    width="stretch",
                )
            # As for a file that is left over: a click that nothing was called for.
            if clicked and st.session_state.pop("sampled", None) != sample.name:
                _sampled(sample)
                st.rerun()
    if pictures:
        _licences(found)


def _licences(found: tuple[Sample, ...]) -> None:
    with st.expander("Where these photographs come from"):
        st.dataframe(
            [
                {
                    "Photograph": sample.title,
                    "By": sample.author,
                    "Licence": sample.licence,
                    "Source": sample.source,
                }
                for sample in found
            ],
            hide_index=True,
            column_config={"Source": st.column_config.LinkColumn(display_text="open")},
        )


@st.cache_data(max_entries=16, show_spinner=False)
def _thumbnail(sample: Sample) -> bytes:
    """A square JPEG of 208 px."""
    from io import BytesIO

    from PIL import ImageOps

    file = BytesIO()
    with sample.open() as image:
        ImageOps.fit(image.convert("RGB"), (208, 208)).save(file, "JPEG", quality=85)
    return file.getvalue()


def _taken(key: str, alt: str) -> None:
    file = st.session_state.get(key)
    # A file that was let go a moment ago comes back without its bytes.
    if isinstance(file, UploadedFile):
        data = file.getvalue()
        release_upload(file)
        submit(data, alt)


def _left_over(file: UploadedFile | None, key: str, alt: str) -> None:
    """Take a file that nothing was called for: its widget is new to this visit (``round_key``)."""
    if isinstance(file, UploadedFile):
        _taken(key, alt)
        st.rerun()


def _sampled(sample: Sample) -> None:
    st.session_state["sampled"] = sample.name
    submit(sample.read(), sample.alt)


def _again() -> None:
    st.query_params.pop("answer", None)


def is_secure() -> bool:
    """Whether the browser counts the page as secure, so that it gives the camera."""
    address = urlsplit(st.context.url or "")
    host = address.hostname or "localhost"
    local = host in {"localhost", "::1"} or host.endswith(".localhost") or host.startswith("127.")
    return address.scheme == "https" or local
