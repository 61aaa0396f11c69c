"""``ui.session``: the cache of uploads, and the end of its session."""

import gc

from model.corrections.page_sessions import page_sessions
from ui.session import Session, UploadCache, upload_cache


def test_upload_and_api_token_end_with_their_session():
    session = Session()
    key = session.api_token
    upload_cache.put(key, b"photo")
    assert upload_cache.get(key) == b"photo"
    assert page_sessions.is_open(key)
    del session
    gc.collect()
    assert upload_cache.get(key) is None
    assert not page_sessions.is_open(key)


def test_upload_cache_keeps_a_photo_until_it_is_replaced_or_dropped():
    cache = UploadCache()
    cache.put("a", b"one")
    cache.put("b", b"two")
    cache.put("b", b"newer")
    assert (cache.get("a"), cache.get("b")) == (b"one", b"newer")
    cache.drop("a")
    assert cache.get("a") is None
    assert cache.get("never") is None


def test_upload_cache_drops_the_oldest_when_full():
    cache = UploadCache(max_bytes=10)
    for key in "abcd":
        cache.put(key, bytes(4))
    assert [key for key in "abcd" if cache.get(key)] == ["c", "d"]
    # An upload larger than the cache is not kept, and neither is the one it replaces.
    cache.put("d", bytes(11))
    assert [key for key in "abcd" if cache.get(key)] == ["c"]
