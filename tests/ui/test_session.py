"""``ui.session``: the end of a session."""

import gc

from model.corrections.page_sessions import page_sessions
from ui.session import Session


def test_api_token_ends_with_its_session():
    session = Session()
    token = session.api_token
    assert page_sessions.is_open(token)
    del session
    gc.collect()
    assert not page_sessions.is_open(token)
