"""``benchmarks.timing``: readings alternate, and the median ratio counts."""

from collections.abc import Iterator

import pytest

from benchmarks.timing import Pairs, measure_pairs, timer


def test_readings_alternate_and_warm_up_is_discarded() -> None:
    calls: list[str] = []
    readings: Iterator[float] = iter([9.0, 9.0, 1.0, 2.0, 3.0, 4.0])

    def read(name: str) -> float:
        calls.append(name)
        return next(readings)

    pairs = measure_pairs(lambda: read("A"), lambda: read("B"), 2)
    assert calls == ["A", "B"] * 3
    assert pairs == Pairs((1.0, 3.0), (2.0, 4.0))


def test_ratio_is_the_median_of_pairwise_ratios() -> None:
    # The machine slows down tenfold in the middle; one pair is disturbed.
    readings = Pairs((1.0, 10.0, 10.0, 90.0, 1.0), (2.0, 20.0, 20.0, 2.0, 2.0))
    assert readings.ratio == 0.5


def test_str_gives_both_medians() -> None:
    assert str(Pairs((0.010, 0.012, 0.5), (1.5, 2.0, 3.0))) == (
        "12.0 ms against 2.00 s, medians of 3 pairs"
    )


def test_unpaired_readings_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        _ = Pairs((1.0,), ()).ratio


def test_timer_returns_elapsed_seconds() -> None:
    clock = iter([10.0, 12.5])
    assert timer(lambda: None, lambda: next(clock))() == 2.5
