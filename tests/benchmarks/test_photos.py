"""The photos are of the sizes they are called by, and the same every time."""

from io import BytesIO

from PIL import Image

from benchmarks.photos import PHONE, SMALL, many, phone, small


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def test_a_small_photo() -> None:
    image = opened(small())
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", SMALL)


def test_a_phone_photo_weighs_what_a_phone_makes_it_weigh() -> None:
    data = phone()
    assert opened(data).size == PHONE
    assert 3e6 <= len(data) <= 5e6


def test_many_photos_differ_and_come_back_the_same() -> None:
    photos = many(12)
    assert len(set(photos)) == 12
    assert photos == many(12)
    assert {opened(photo).size for photo in photos} == {SMALL}
