"""Uploads of photos, a folder or a zip, the address of the batch that they start, examples."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Literal

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model import Bundle, LoupeError
from model.answer.phrases import shared_words
from model.bundle import read_samples
from model.engine_info import DEFAULT_ENGINE
from model.errors import Busy, DataError
from model.loading import load_bundle
from model.photo.formats import FORMAT_NAMES, SUFFIXES
from model.settings import settings
from model.storage.photo_files import PhotoFile, displayed_parts, open_photos
from ui.batch.jobs import LIFETIME_MINUTES, Job, job_cache
from ui.phrasing import escape_markdown, to_markdown
from ui.session_state import model_to_load, release_upload

SOURCES = ("Photos", "Folder", "Zip")
PHOTO_MB, ZIP_MB = 20, 200

MAX_NAME_LENGTH = 200
"""Longest name of a photo or folder that is shown, in characters."""

BATCH_PARAM = "batch"
"""Query parameter with the key of the batch on the screen."""

# Keys of the session's state.
LAST_JOB, SHOWN_JOB, ERROR, ROUND = "batch-last", "batch-shown", "batch-error", "batch-round"


def current_job() -> Job | None:
    """Return the batch named in the address, running or finished; None if it is no longer kept.

    On a return from another page, this is the batch that the visitor saw last.
    """
    is_return = st.session_state.get("is_return") and not st.query_params
    if is_return and (key := st.session_state.get(SHOWN_JOB)):
        st.query_params[BATCH_PARAM] = key
    st.session_state[SHOWN_JOB] = st.query_params.get(BATCH_PARAM)
    job = job_cache.get(st.query_params.get(BATCH_PARAM, ""))
    if job:
        job.add_viewer(*_connection())
    return job


def last_job() -> Job | None:
    """Return this session's latest batch, whatever the address says."""
    return job_cache.get(st.session_state.get(LAST_JOB, ""))


def open_batch() -> None:
    """Go back to this session's latest batch."""
    st.query_params[BATCH_PARAM] = st.session_state[LAST_JOB]


def leave_batch() -> None:
    """Go back to the uploader; the batch is kept for its lifetime from now on."""
    if job := current_job():
        job.remove_viewer(_connection()[0])
    st.session_state.pop(SHOWN_JOB, None)
    st.query_params.pop(BATCH_PARAM, None)


def upload_widget(source: str) -> None:
    """Show the uploader of one of ``SOURCES``; a batch starts as soon as its files have arrived."""
    expired = (
        f"This batch has expired: results are kept for up to {LIFETIME_MINUTES} minutes after "
        "you leave. Upload the photos again for new results."
    )
    if problem := expired if BATCH_PARAM in st.query_params else st.session_state.get(ERROR):
        st.warning(escape_markdown(problem), icon=":material/folder_off:")
    limit, total_mb = f"{settings().batch:,} photos", settings().upload_mb
    photo_sizes = f"up to {PHOTO_MB} MB each and {total_mb:,} MB in all"
    label, caption, max_mb = f"Choose up to {limit}", f"{FORMAT_NAMES}, {photo_sizes}.", PHOTO_MB
    # Any file: photos without a suffix are read by their content, and other files become rows that
    # say why they couldn't be read.
    suffixes: list[str] | None = None
    many: bool | Literal["directory"] = True
    if source == "Folder":
        label, many = f"Choose a folder of up to {limit}", "directory"
        suffixes = [suffix.lstrip(".") for suffix in sorted(SUFFIXES)]
        caption = f"Photos {photo_sizes}. Most phones can’t upload a folder: choose Zip instead."
    elif source == "Zip":
        label, many, suffixes = f"Choose a zip of up to {limit}", False, ["zip"]
        caption = f"{FORMAT_NAMES}, up to {PHOTO_MB} MB each."
        max_mb = min(ZIP_MB, total_mb)
    key = f"batch-{source.lower()}-{st.session_state.get(ROUND, 0)}"
    files = st.file_uploader(
        label, suffixes, accept_multiple_files=many, max_upload_size=max_mb, key=key
    )
    st.caption(caption)
    if files:
        _start_batch(files if isinstance(files, list) else [files])
        st.rerun()


def _start_batch(files: Sequence[UploadedFile]) -> None:
    # A new round makes a new widget, so that the old one releases its files.
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
    st.session_state[ERROR] = ""
    st.query_params.pop(BATCH_PARAM, None)
    upload_bytes = sum(file.size for file in files)
    try:
        photos = queue_photos(files)
        if upload_bytes + job_cache.upload_bytes(last_job()) > settings().upload_mb * 2**20:
            raise Busy("Other batches are using all the upload memory. Try again when they finish.")
    except LoupeError as error:
        st.session_state[ERROR] = str(error)
        return
    finally:
        for file in files:
            release_upload(file)
    # A session has one running batch.
    if job := last_job():
        job.stop()
    limit = settings().batch
    job = Job(
        photos[:limit],
        model_to_load(),
        st.session_state.get("engine"),
        left_out=len(photos[limit:]),
        upload_bytes=upload_bytes,
        # As long as Streamlit waits for a phone that switched apps.
        idle_timeout_seconds=max(60.0, float(st.get_option("server.disconnectedSessionTTL") or 0)),
    )
    job.add_viewer(*_connection())
    key = job_cache.add(job.start())
    st.session_state[LAST_JOB] = st.query_params[BATCH_PARAM] = key


def _connection() -> tuple[str, Callable[[], bool]]:
    """Return this session's id, and a thread-safe function that tells if it is connected."""
    context = get_script_run_ctx()
    if context is None or not runtime.exists():
        return "", lambda: True
    session_id, server = context.session_id, runtime.get_instance()
    return session_id, lambda: server.is_active_session(session_id)


def queue_photos(files: Sequence[UploadedFile]) -> list[PhotoFile]:
    """Return the photos in an upload; the files of a folder have their path as their name.

    Raises:
        LoupeError: the zip is rejected, or there is no photo.
    """
    if len(files) == 1 and files[0].name.lower().endswith(".zip"):
        return open_photos(files[0], settings().batch)
    photos = [photo for file in files if (photo := _queue_photo(file))]
    if not photos:
        raise DataError(f"None of these files is a photo. Choose {FORMAT_NAMES} files.")
    return photos


def _queue_photo(file: UploadedFile) -> PhotoFile | None:
    """Return a file as a photo; None for a hidden file."""
    if not (parts := displayed_parts(file.name)):
        return None
    folder = parts[-2][-MAX_NAME_LENGTH:] if parts[1:] else None
    return PhotoFile("/".join(parts)[-MAX_NAME_LENGTH:], folder, file.getvalue)


def show_examples(bundle: Bundle) -> None:
    """Show up to four samples with the model's answers; nothing if it has none or can't answer."""
    samples = read_samples(bundle)
    # The last one often shows none of the labels.
    samples = samples[:3] + samples[3:][-1:]
    answers = [answer for sample in samples if (answer := _answer(bundle, sample.photo))]
    if not samples or len(answers) < len(samples):
        return
    with st.container(width=448, gap="xsmall"):
        st.caption("Like this")
        for sample, (words, percent, probability) in zip(samples, answers, strict=True):
            with st.container(
                horizontal=True, wrap=False, vertical_alignment="center", gap="xsmall"
            ):
                st.image(sample.thumbnail, alt=sample.entry.alt, width=48)
                st.markdown(words, width="stretch")
                if percent:
                    # Wider columns would break words at 320 px.
                    is_rough = " " in percent
                    st.progress(probability, width=44 if is_rough else 64)
                    text = percent.replace(" ", "\N{NO-BREAK SPACE}")
                    st.markdown(f"**{text}**", width=92 if is_rough else 48, text_alignment="right")
        if not bundle.manifest.multilabel:
            st.caption("Name folders after labels to see how often the model is right.")


@st.cache_data(ttl="5m", show_spinner=False, hash_funcs={Bundle: attrgetter("version")})
def _answer(bundle: Bundle, photo: bytes) -> tuple[str, str, float] | None:
    """Return an answer as Markdown, its percentage or "", and its probability.

    The engine never loads torch. None if there is no answer, which is kept as well, so that not
    every run tries again.
    """
    try:
        # Visitors' own photos matter more, so this one doesn't wait long for a core.
        prediction = load_bundle(bundle, DEFAULT_ENGINE).identify(photo, timeout=2)
    except LoupeError:
        return None
    if prediction.in_distribution is False:
        return ":orange[none of these]", "", 0.0
    words, percent = shared_words(prediction)
    return to_markdown(words), percent, prediction.top(1)[0].probability
