"""``model.corrections.page_sessions``: tokens, and the answers that a page may correct."""

from model.corrections.page_sessions import PageSessions


def test_token_has_256_random_bits_and_ends_with_its_session() -> None:
    store = PageSessions()
    tokens = {store.open_session() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 43
    first, second, *_ = tokens
    store.close_session(first)
    store.close_session(first)
    assert (store.is_open(first), store.is_open(second)) == (False, True)
