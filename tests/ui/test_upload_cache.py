"""The shelf of photos as they were sent."""

from ui.upload_cache import UploadCache


def test_a_photo_is_there_until_it_is_dropped() -> None:
    shelf = UploadCache()
    first, second = shelf.put(b"one"), shelf.put(b"two")
    assert (shelf.get(first), shelf.get(second)) == (b"one", b"two")
    shelf.drop(first)
    assert shelf.get(first) is None
    assert shelf.get("never") is None


def test_the_oldest_leave_when_the_shelf_is_full() -> None:
    shelf = UploadCache(most=10)
    keys = [shelf.put(bytes(4)) for _ in range(4)]
    assert [shelf.get(key) is not None for key in keys] == [False, False, True, True]
    # One that is larger than the shelf is not kept, and leaves nothing behind.
    large = shelf.put(bytes(11))
    assert shelf.get(large) is None
