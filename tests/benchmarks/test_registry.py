"""Every figure has a name, words, a target and a unit; nothing is measured here."""

import pytest

from benchmarks import Benchmark, Figure, NoFigure, benchmark, benchmarks

NAMES = {
    "answer-12mp",
    "answer-small",
    "api-rate",
    "api-screen",
    "api-tail",
    "folder",
    "memory",
    "overhead",
    "predict-12mp",
    "predict-small",
    "start",
    "threads",
}


def test_every_figure_is_listed() -> None:
    assert set(benchmarks()) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_figure_says_what_it_is(name: str) -> None:
    entry = benchmarks()[name]
    assert entry.name == name
    assert len(entry.measures) > 20
    assert entry.target >= 0
    assert entry.unit
    assert entry.at_least == (name in ("folder", "api-rate"))


def test_a_name_is_given_once() -> None:
    benchmarks()
    with pytest.raises(ValueError, match="'folder'"):
        benchmark("folder", "once more", target=1.0)(lambda quick: (1.0, ""))


@pytest.mark.parametrize(
    ("value", "at_least", "met"),
    [(0.8, False, True), (0.9, False, False), (0.9, True, True), (0.7, True, False)],
)
def test_a_target_is_a_bound_on_one_side(value: float, at_least: bool, met: bool) -> None:
    assert Figure(value, 0.8, "", at_least).met is met


def test_what_cannot_be_measured_is_not_invented() -> None:
    def absent(quick: bool) -> tuple[float, str]:
        raise NoFigure("there is no Chromium")

    figure = Benchmark("none", "nothing", 1.0, "×", False, absent).run()
    assert figure == Figure(None, 1.0, "there is no Chromium")
    assert figure.met is None


def test_a_failure_leaves_the_other_figures() -> None:
    def broken(quick: bool) -> tuple[float, str]:
        raise RuntimeError("the page fell over")

    figure = Benchmark("broken", "nothing", 1.0, "×", False, broken).run()
    assert figure.value is None
    assert figure.detail == "RuntimeError: the page fell over"
