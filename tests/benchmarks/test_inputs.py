"""Benchmark photos: fixed sizes, the same in every run; and the comparisons made with them."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.in_process import baseline_loop, count_differences
from benchmarks.inputs import (
    PHONE_SIZE_PX,
    SMALL_SIZE_PX,
    classifier,
    phone_photo,
    photos_of_size,
    small_photo,
    small_photos,
)


def test_photos_differ_are_reproducible_and_have_the_size_that_is_asked_for() -> None:
    photos = small_photos(12)
    assert len(set(photos)) == 12
    assert photos == small_photos(12)
    assert {Image.open(BytesIO(photo)).size for photo in photos} == {SMALL_SIZE_PX}
    for kilobytes in (60, 1000):
        photos = photos_of_size(kilobytes, 3)
        assert len(set(photos)) == 3
        assert all(0.8 <= len(photo) / (1000 * kilobytes) <= 1.2 for photo in photos)


def test_baseline_loop_gives_the_same_answers(tmp_path: Path) -> None:
    """Otherwise its speed would be no baseline."""
    ours, phone = classifier(), phone_photo()
    assert Image.open(BytesIO(phone)).size == PHONE_SIZE_PX
    assert 3e6 <= len(phone) <= 5e6
    for data in (small_photo(), phone):
        path = tmp_path / "photo.jpg"
        path.write_bytes(data)
        (probabilities,) = baseline_loop([path], 1)()
        assert np.abs(probabilities - ours.identify(path).probabilities).max() < 1e-5


def answer(*probabilities: float) -> np.ndarray:
    return np.array(probabilities, dtype=np.float32)


def test_rounding_is_reported_but_not_counted() -> None:
    for other, differing in ((0.1, 0), (0.1000001, 1)):
        count, detail = count_differences([answer(0.9, 0.1)], [answer(0.9, other)])
        assert count == 0
        assert f"{differing} are not bit-equal" in detail


def test_different_label_or_probability_is_counted() -> None:
    expected = [answer(0.5, 0.4999999), answer(0.9, 0.1), answer(0.9, 0.1)]
    actual = [answer(0.4999999, 0.5), answer(0.89, 0.11), answer(0.9, 0.1)]
    assert count_differences(expected, actual)[0] == 2
