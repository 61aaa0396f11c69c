"""``ui.session`` and ``ui.upload_cache``: the newest upload, and the end of its session."""

import gc

from ui.session import Session
from ui.upload_cache import UploadCache, upload_cache


def test_session_keeps_only_the_newest_upload():
    session = Session()
    session.keep_upload(b"first")
    session.keep_upload(b"second")
    assert session.get_upload() == b"second"


def test_upload_leaves_the_cache_when_its_session_ends():
    session = Session()
    session.keep_upload(b"photo")
    key = session.api_token
    assert upload_cache.get(key) == b"photo"
    del session
    gc.collect()
    assert upload_cache.get(key) is None


def test_upload_cache_keeps_a_photo_until_it_is_dropped():
    cache = UploadCache()
    cache.put("a", b"one")
    cache.put("b", b"two")
    assert (cache.get("a"), cache.get("b")) == (b"one", b"two")
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
