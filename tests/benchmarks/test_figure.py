"""Figures: their bounds, what can't be measured, and their table and report."""

import json
from pathlib import Path

import pytest

from benchmarks.figure import Benchmark, Figure, NotMeasured, format_table, write_report


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
