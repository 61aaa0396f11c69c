"""``benchmarks.registry``: each figure has a name, a description, a target and a unit."""

import pytest

from benchmarks import Benchmark, Figure, NotMeasured, benchmark, benchmarks

NAMES = {
    "answer-12mp",
    "answer-small",
    "api-rate",
    "api-screen",
    "api-tail",
    "device-bytes-clothing",
    "device-bytes-imagenet",
    "device-first",
    "device-main-thread",
    "device-rate",
    "device-rate-busy",
    "first-visit-answer",
    "first-visit-bytes",
    "first-visit-device",
    "first-visit-device-page",
    "first-visit-photo",
    "first-visit-quick",
    "first-visit-words",
    "folder",
    "memory",
    "overhead",
    "predict-12mp",
    "predict-small",
    "start",
    "threads",
    "visits",
}


def test_all_figures_are_registered() -> None:
    assert set(benchmarks()) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_figure_is_described(name: str) -> None:
    entry = benchmarks()[name]
    assert entry.name == name
    assert len(entry.measures) > 20
    assert entry.target >= 0
    assert entry.unit
    assert entry.at_least == (name in ("folder", "api-rate", "device-rate", "device-rate-busy"))


def test_duplicate_name_is_an_error() -> None:
    benchmarks()
    with pytest.raises(ValueError, match="'folder'"):
        benchmark("folder", "once more", target=1.0)(lambda quick: (1.0, ""))


@pytest.mark.parametrize(
    ("value", "at_least", "met"),
    [(0.8, False, True), (0.9, False, False), (0.9, True, True), (0.7, True, False)],
)
def test_target_is_a_one_sided_bound(value: float, at_least: bool, met: bool) -> None:
    assert Figure(value, 0.8, "", at_least).met is met


def test_unmeasurable_figure_has_no_value() -> None:
    def absent(quick: bool) -> tuple[float, str]:
        raise NotMeasured("there is no Chromium")

    figure = Benchmark("none", "nothing", 1.0, "×", False, absent).run()
    assert figure == Figure(None, 1.0, "there is no Chromium")
    assert figure.met is None


def test_failure_is_reported_as_a_figure_without_value() -> None:
    def broken(quick: bool) -> tuple[float, str]:
        raise RuntimeError("the page fell over")

    figure = Benchmark("broken", "nothing", 1.0, "×", False, broken).run()
    assert figure.value is None
    assert figure.detail == "RuntimeError: the page fell over"
