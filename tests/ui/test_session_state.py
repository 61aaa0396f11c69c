"""``ui.session_state``: the end of a session."""

import gc
from types import SimpleNamespace

from model.corrections.page_sessions import page_sessions
from ui.session_state import Session


def test_api_token_ends_with_its_session(monkeypatch):
    context = SimpleNamespace(session_id="Streamlit's")
    monkeypatch.setattr("ui.session_state.get_script_run_ctx", lambda: context)
    session = Session()
    token = session.api_token
    assert page_sessions.is_open(token)
    page_sessions.note_photo(token)
    assert page_sessions.has_photo("Streamlit's")
    del session
    gc.collect()
    assert not page_sessions.is_open(token)
    assert not page_sessions.has_photo("Streamlit's")
