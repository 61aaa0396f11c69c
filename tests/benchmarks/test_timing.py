"""Pairs are taken by turns, and the middle one counts."""

from collections.abc import Iterator

import pytest

from benchmarks.timing import Pairs, pairs, timed


def test_the_two_take_turns_and_the_first_pairs_are_dropped() -> None:
    calls: list[str] = []
    readings: Iterator[float] = iter([9.0, 9.0, 1.0, 2.0, 3.0, 4.0])

    def read(name: str) -> float:
        calls.append(name)
        return next(readings)

    found = pairs(lambda: read("A"), lambda: read("B"), 2)
    assert calls == ["A", "B"] * 3
    assert found == Pairs((1.0, 3.0), (2.0, 4.0))


def test_the_ratio_is_the_median_of_the_pairs_own_ratios() -> None:
    # The machine slows down tenfold in the middle; one pair is disturbed.
    found = Pairs((1.0, 10.0, 10.0, 90.0, 1.0), (2.0, 20.0, 20.0, 2.0, 2.0))
    assert found.ratio == 0.5


def test_an_even_number_of_pairs_has_its_middle_between_two() -> None:
    assert Pairs((1.0, 3.0), (2.0, 2.0)).ratio == 1.0


def test_pairs_say_both_medians() -> None:
    assert str(Pairs((0.010, 0.012, 0.5), (1.5, 2.0, 3.0))) == (
        "12.0 ms against 2.00 s, medians of 3 pairs"
    )


def test_readings_must_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        _ = Pairs((1.0,), ()).ratio


def test_timed_gives_the_seconds_of_the_work() -> None:
    clock = iter([10.0, 12.5])
    assert timed(lambda: None, lambda: next(clock))() == 2.5
