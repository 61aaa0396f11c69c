"""The state of a session, which is one browser tab, and its uploads."""

import weakref

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model.corrections.page_sessions import page_sessions


class Session:
    """A session's token for the app's routes, which ends when Streamlit drops the session."""

    def __init__(self) -> None:
        context = get_script_run_ctx()
        self.api_token = page_sessions.open_session(context.session_id if context else "")
        weakref.finalize(self, page_sessions.close_session, self.api_token)


def current_session() -> Session:
    """Return the state of this session."""
    if "session" not in st.session_state:
        st.session_state["session"] = Session()
    session: Session = st.session_state["session"]
    return session


def release_upload(file: UploadedFile) -> None:
    """Free an upload's memory now; Streamlit itself would keep it until the session ends."""
    context = get_script_run_ctx()
    # Streamlit has no public function for this, and not every upload manager has this method.
    remove_file = getattr(context and context.uploaded_file_mgr, "remove_file", None)
    if context and remove_file:
        remove_file(session_id=context.session_id, file_id=file.file_id)
