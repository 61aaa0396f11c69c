"""``benchmarks.figures``: counts and comparisons, without timing anything."""

from pathlib import Path

import numpy as np

from benchmarks.figures.folder import baseline_loop
from benchmarks.figures.threads import count_differences
from benchmarks.photos import phone_photo, small_photo
from benchmarks.reference import classifier


def answer(*probabilities: float) -> np.ndarray:
    return np.array(probabilities, dtype=np.float32)


def test_equal_answers_are_not_counted() -> None:
    count, detail = count_differences([answer(0.9, 0.1)], [answer(0.9, 0.1)])
    assert count == 0
    assert "0 are not bit-equal" in detail


def test_rounding_is_reported_but_not_counted() -> None:
    count, detail = count_differences([answer(0.9, 0.1)], [answer(0.9, 0.1000001)])
    assert count == 0
    assert "1 are not bit-equal" in detail


def test_different_label_or_probability_is_counted() -> None:
    expected = [answer(0.5, 0.4999999), answer(0.9, 0.1), answer(0.9, 0.1)]
    actual = [answer(0.4999999, 0.5), answer(0.89, 0.11), answer(0.9, 0.1)]
    assert count_differences(expected, actual)[0] == 2


def test_baseline_loop_gives_the_same_answers(tmp_path: Path) -> None:
    """Otherwise its speed would be no baseline."""
    ours = classifier()
    for data in (small_photo(), phone_photo()):
        path = tmp_path / "photo.jpg"
        path.write_bytes(data)
        (probabilities,) = baseline_loop([path], 1)()
        assert np.abs(probabilities - ours.identify(path).probabilities).max() < 1e-5
