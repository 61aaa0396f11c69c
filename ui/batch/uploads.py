"""The ways of many photos into the app: photos, a folder, a zip."""

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model import LoupeError
from model.errors import DataError
from model.photo_files import SUFFIXES
from model.settings import settings
from model.zips import open_photos
from ui.batch.job import Item, Job
from ui.session import release_upload

__all__ = ["WAYS", "clear", "current", "items", "refusal", "ways_in"]

WAYS = ("Photos", "Folder", "Zip")
PHOTO_MB, ZIP_MB = 20, 200
MAX_NAME = 200
JOB, REFUSAL, ROUND, LEFT_OUT = "batch", "batch-refusal", "batch-round", "batch-left-out"


def current() -> Job | None:
    """This session's batch, at work or done."""
    job: Job | None = st.session_state.get(JOB)
    return job


def refusal() -> str:
    """Why what was sent last is no batch."""
    return str(st.session_state.get(REFUSAL, ""))


def left_out() -> int:
    """How many photos were beyond the limit."""
    return int(st.session_state.get(LEFT_OUT, 0))


def clear() -> None:
    """Let go of the batch."""
    if job := current():
        job.stop()
    st.session_state.pop(JOB, None)


def ways_in(way: str) -> None:
    """The chosen way; a batch starts as soon as its files are here."""
    key = f"batch-{way.lower()}-{st.session_state.get(ROUND, 0)}"
    photos = [suffix.lstrip(".") for suffix in sorted(SUFFIXES)]
    most = f"{settings().batch:,} photos"
    if way == "Zip":
        file = st.file_uploader(
            f"Choose a zip of up to {most}",
            type="zip",
            max_upload_size=ZIP_MB,
            key=key,
            on_change=_sent,
            args=(key,),
            help="Folders in the zip that are named for labels tell how often the model is right.",
        )
        _left_over(file, key)
        return
    sent = st.file_uploader(
        f"Choose up to {most}" if way == "Photos" else f"Choose a folder of up to {most}",
        type=photos,
        accept_multiple_files="directory" if way == "Folder" else True,
        max_upload_size=PHOTO_MB,
        key=key,
        on_change=_sent,
        args=(key,),
    )
    _left_over(sent, key)
    if way == "Folder":
        st.caption(
            "Folders in it that are named for labels tell how often the model is right. "
            "Most phones cannot send a folder: choose Photos there, or a zip."
        )


def _left_over(sent: object, key: str) -> None:
    """Take files that nothing was called for: their widget is new to this visit.

    That is so where the browser was sent on to another process before it chose them.
    """
    if sent:
        _sent(key)
        st.rerun()


def _sent(key: str) -> None:
    """Start a batch with what was sent."""
    sent = st.session_state.get(key)
    files: list[UploadedFile] = sent if isinstance(sent, list) else [sent] if sent else []
    if not files:
        return
    st.session_state[REFUSAL] = ""
    # A new round is a new widget: the old one lets go of its files.
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
    try:
        found = items(files)
    except LoupeError as error:
        st.session_state[REFUSAL] = str(error)
        found = []
    for file in files:
        release_upload(file)
    if found:
        clear()
        _start(found)


def _start(found: list[Item]) -> None:
    most = settings().batch
    st.session_state[LEFT_OUT] = len(found) - len(found[:most])
    st.session_state[JOB] = Job(
        found[:most],
        st.session_state.get("model"),
        st.session_state.get("engine"),
        alive=_visitor(),
        patience=float(st.get_option("server.disconnectedSessionTTL") or 0),
    ).start()


def _visitor() -> Callable[[], bool]:
    """A question that any thread may ask: is this session connected?"""
    context = get_script_run_ctx()
    if context is None or not runtime.exists():
        return lambda: True
    session, server = context.session_id, runtime.get_instance()
    return lambda: server.is_active_session(session)


def items(files: Sequence[UploadedFile]) -> list[Item]:
    """The photos in what was sent; a folder's files carry their path as their name.

    Raises:
        LoupeError: a zip that is refused, or no photo at all.
    """
    if len(files) == 1 and files[0].name.lower().endswith(".zip"):
        return [
            Item(member.name, member.label, member.read)
            for member in open_photos(files[0], settings().batch)
        ]
    found = [item for file in files if (item := _item(file))]
    if not found:
        raise DataError("There is no photo among these files. Choose others.")
    return found


def _item(file: UploadedFile) -> Item | None:
    """A file as a photo; None for a hidden one, as macOS adds them."""
    parts = [part for part in map(_shown, file.name.split("/")) if part not in ("", ".", "..")]
    if not parts or any(part.startswith(".") for part in parts):
        return None
    return Item("/".join(parts)[-MAX_NAME:], parts[-2] if parts[1:] else None, file.getvalue)


def _shown(part: str) -> str:
    """A name without characters that are not seen, or that turn the text around."""
    return "".join(char for char in part if char.isprintable()).strip()[-MAX_NAME:]
