"""``benchmarks.photos``: sizes, and the same photos at every run."""

from io import BytesIO

from PIL import Image

from benchmarks.photos import (
    PHONE_SIZE_PX,
    SMALL_SIZE_PX,
    phone_photo,
    photos_of_size,
    small_photo,
    small_photos,
)


def decode(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def test_small_photo_has_its_size() -> None:
    image = decode(small_photo())
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", SMALL_SIZE_PX)


def test_phone_photo_has_the_size_of_a_real_one() -> None:
    data = phone_photo()
    assert decode(data).size == PHONE_SIZE_PX
    assert 3e6 <= len(data) <= 5e6


def test_small_photos_differ_and_are_reproducible() -> None:
    photos = small_photos(12)
    assert len(set(photos)) == 12
    assert photos == small_photos(12)
    assert {decode(photo).size for photo in photos} == {SMALL_SIZE_PX}


def test_photos_have_the_size_that_is_asked_for() -> None:
    for kilobytes in (60, 1000):
        photos = photos_of_size(kilobytes, 5)
        assert len(set(photos)) == 5
        assert all(0.8 <= len(photo) / (1000 * kilobytes) <= 1.2 for photo in photos)
