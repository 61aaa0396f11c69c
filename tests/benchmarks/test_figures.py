"""What the figures count and compare, without timing anything."""

from pathlib import Path

import numpy as np

from benchmarks.figures.folder import by_hand
from benchmarks.figures.threads import differing
from benchmarks.photos import phone, small
from benchmarks.reference import classifier


def answer(*probabilities: float) -> np.ndarray:
    return np.array(probabilities, dtype=np.float32)


def test_the_same_answers_do_not_differ() -> None:
    count, detail = differing([answer(0.9, 0.1)], [answer(0.9, 0.1)])
    assert count == 0
    assert "0 are not bit-equal" in detail


def test_rounding_is_told_but_not_counted() -> None:
    count, detail = differing([answer(0.9, 0.1)], [answer(0.9, 0.1000001)])
    assert count == 0
    assert "1 are not bit-equal" in detail


def test_another_label_or_probability_is_counted() -> None:
    wanted = [answer(0.5, 0.4999999), answer(0.9, 0.1), answer(0.9, 0.1)]
    found = [answer(0.4999999, 0.5), answer(0.89, 0.11), answer(0.9, 0.1)]
    assert differing(wanted, found)[0] == 2


def test_the_loop_by_hand_gives_the_same_answers(tmp_path: Path) -> None:
    """Else its speed would be no yardstick."""
    ours = classifier()
    for data in (small(), phone()):
        path = tmp_path / "photo.jpg"
        path.write_bytes(data)
        (found,) = by_hand([path], 1)()
        assert np.abs(found - ours.identify(path).probabilities).max() < 1e-5
