"""Figures: timing in pairs, bounds, what can't be measured, their table and report."""

import json
from pathlib import Path

import pytest

from benchmarks.figure import Benchmark, Figure, NotMeasured, format_table, write_report
from benchmarks.table import BENCHMARKS
from benchmarks.timing import Pairs, measure_pairs, timer

NAMES = """
    answer-small answer-12mp api-rate api-tail api-screen device-bytes-clothing
    device-bytes-imagenet device-first device-rate device-rate-busy device-main-thread
    first-visit-words first-visit-photo first-visit-bytes first-visit-shutter first-visit-answer
    first-visit-chart first-visit-quick first-visit-quick-shutter first-visit-device
    first-visit-device-page folder memory overhead predict-small predict-12mp
    start threads visits
"""
"""Names of the published figures."""


def entry(name: str, unit: str = "×", target: float = 0.5, *, at_least: bool = False) -> Benchmark:
    return Benchmark(name, f"what {name} is", target, lambda quick: (0.0, ""), unit, at_least)


FIGURES = [
    Figure(entry("fast"), 0.254, "a | b"),
    Figure(entry("slow"), 0.75, ""),
    Figure(entry("gone", "MB", 330), None, "no browser"),
    Figure(entry("frames", "frames/s", 8, at_least=True), 11.96, ""),
]


@pytest.mark.parametrize(
    ("value", "at_least", "met"),
    [(0.8, False, True), (0.9, False, False), (0.9, True, True), (0.7, True, False)],
)
def test_target_is_a_one_sided_bound(value: float, at_least: bool, met: bool) -> None:
    assert Figure(entry("any", target=0.8, at_least=at_least), value, "").met is met


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (NotMeasured("there is no Chromium"), "there is no Chromium"),
        (RuntimeError("the page fell over"), "RuntimeError: the page fell over"),
    ],
)
def test_failure_gives_a_figure_without_a_value(error: Exception, detail: str) -> None:
    def fail(quick: bool) -> tuple[float, str]:
        raise error

    figure = Benchmark("none", "nothing", 1.0, fail).run()
    assert (figure.value, figure.detail, figure.met) == (None, detail, None)


def test_table_has_one_row_per_figure() -> None:
    rows = format_table(FIGURES).splitlines()
    assert rows[2] == "| fast | what fast is | 0.25 | ≤ 0.50 | met | a \\| b |"
    assert "| 0.75 | ≤ 0.50 | missed |" in rows[3]
    assert "| – | ≤ 330 MB | not measured | no browser |" in rows[4]
    assert "| 12 frames/s | ≥ 8 frames/s | met |" in rows[5]


def test_json_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    write_report(path, FIGURES, {"cores": "2"}, quick=True)
    report = json.loads(path.read_text())
    assert report["machine"] == {"cores": "2"}
    assert report["quick"] is True
    assert [figure["met"] for figure in report["figures"]] == [True, False, None, True]


def test_every_published_figure_is_listed_once_and_described() -> None:
    assert [entry.name for entry in BENCHMARKS] == NAMES.split()
    for entry in BENCHMARKS:
        assert len(entry.description) > 20, entry.name
        assert entry.target >= 0
        more_is_better = ("folder", "api-rate", "device-rate", "device-rate-busy")
        assert entry.at_least == (entry.name in more_is_better)


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


def test_str_gives_both_medians() -> None:
    assert str(Pairs((0.010, 0.012, 0.5), (1.5, 2.0, 3.0))) == (
        "12.0 ms against 2.00 s, medians of 3 pairs"
    )


def test_timer_returns_elapsed_seconds() -> None:
    clock = iter([10.0, 12.5])
    assert timer(lambda: None, lambda: next(clock))() == 2.5
