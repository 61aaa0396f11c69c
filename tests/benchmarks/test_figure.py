"""Figures: timing in pairs, goals, what can't be measured, and their table."""

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.environment import ROOT
from benchmarks.figure import Benchmark, NotMeasured, Pairs, measure_pairs


@pytest.mark.parametrize(
    ("goal", "value", "shown", "verdict"),
    [
        ("≤ 0.8", 0.8, "0.80", "met"),
        ("≤ 0.8", 0.9, "0.90", "missed"),
        ("≥ 0.8", 0.9, "0.90", "met"),
        ("≥ 8 frames/s", 7.9, "7.90 frames/s", "missed"),
        ("≥ 8 frames/s", 11.96, "11.96 frames/s", "met"),
        ("≤ 330 MB", NotMeasured("there is no Chromium"), "–", "not measured"),
        ("≤ 330 MB", RuntimeError("the page fell over"), "–", "not measured"),
    ],
)
def test_row_has_value_goal_verdict_and_detail(
    goal: str, value: float | Exception, shown: str, verdict: str
) -> None:
    def measure(quick: bool) -> tuple[float, str]:
        if isinstance(value, Exception):
            raise value
        return value, "how"

    name, what, *cells, detail = Benchmark("rate", goal, "what", measure).run()
    assert (name, what, cells) == ("rate", "what", [shown, goal, verdict])
    text = str(value) if isinstance(value, Exception) else "how"
    assert detail == (f"RuntimeError: {text}" if isinstance(value, RuntimeError) else text)


def test_documentation_has_each_figure_with_its_goal() -> None:
    names = [entry.name for entry in BENCHMARKS]
    assert len(set(names)) == len(names)
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    rows = [row.split("|")[1:-1] for row in text.splitlines() if row.startswith("| `")]
    goals = {what.split("`")[1]: goal.strip() for what, *_, goal in rows}
    # A first visit's figures are rows of a table that compares apps.
    assert goals == {
        entry.name: entry.goal for entry in BENCHMARKS if not entry.name.startswith("first-visit")
    }


def test_readings_alternate_and_warm_up_is_discarded() -> None:
    calls: list[str] = []
    readings = iter([9.0, 9.0, 1.0, 2.0, 3.0, 4.0])

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
    with pytest.raises(ValueError, match="zip"):
        _ = Pairs((1.0,), ()).ratio
