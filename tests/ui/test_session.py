"""``ui.session`` and ``ui.upload_cache``: what a session keeps, and for how long."""

import gc

import numpy as np
import pytest
from PIL import Image

from model.prediction import Prediction
from ui.session import MAX_PHOTOS, Session, SessionPhoto, square_thumbnail
from ui.upload_cache import UploadCache, upload_cache


def answer(token, photo_id):
    prediction = Prediction(
        "tiny", "0123456789ab", "compiled", ("a",), np.ones(1, np.float32), None
    )
    pixels = np.zeros((1, 1, 3), np.uint8)
    return SessionPhoto(token, prediction, b"picture", (4, 3), b"thumbnail", pixels, "", photo_id)


def test_session_keeps_the_newest_photos_and_knows_the_tokens_of_dropped_ones():
    session = Session()
    for number in range(MAX_PHOTOS + 2):
        session.remember(answer(f"token-{number}", f"photo-{number}"))
    assert [photo.token for photo in session.photos] == [
        f"token-{number}" for number in range(MAX_PHOTOS + 1, 1, -1)
    ]
    assert list(session.dropped_tokens) == ["token-0", "token-1"]
    assert session.get_photo("token-0") is None
    assert [photo.pixels is not None for photo in session.photos] == [True] + [False] * 7


def test_session_counts_several_answers_to_a_photo_once():
    session = Session()
    session.remember(answer("cat", "photo-1"))
    session.remember(answer("dog by compiled", "photo-2"))
    session.remember(answer("dog by learner", "photo-2"))
    tokens = [photo.token for photo in session.recent_photos("")]
    assert tokens == ["dog by learner", "cat"]
    # The answer that is open stands for its photo, so Back finds both.
    tokens = [photo.token for photo in session.recent_photos("dog by compiled")]
    assert tokens == ["dog by compiled", "cat"]


def test_session_keeps_a_photo_sent_twice_once():
    session = Session()
    session.remember(answer("cat", "photo-1"))
    session.remember(answer("cat", "photo-2"))
    assert [photo.photo_id for photo in session.photos] == ["photo-2"]


def test_session_keeps_only_the_newest_upload():
    session = Session()
    session.keep_upload(b"first", "photo-1")
    session.keep_upload(b"second", "photo-2")
    assert session.get_upload("photo-1") is None
    assert session.get_upload("photo-2") == b"second"


def test_upload_leaves_the_cache_when_its_session_ends():
    session = Session()
    session.keep_upload(b"photo", "photo-1")
    key = session._upload_key
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


@pytest.mark.parametrize("size", [(1080, 6000), (6000, 1080), (40, 30)])
def test_thumbnails_are_square(tmp_path, size):
    file = tmp_path / "thumbnail.jpg"
    file.write_bytes(square_thumbnail(Image.new("RGB", size)))
    with Image.open(file) as thumbnail:
        assert thumbnail.size == (208, 208)
