"""The table of benchmarks: every published name, described and with a target."""

from benchmarks.table import BENCHMARKS

NAMES = """
    answer-small answer-12mp api-rate api-tail api-screen device-bytes-clothing
    device-bytes-imagenet device-first device-rate device-rate-busy device-main-thread
    first-visit-words first-visit-photo first-visit-bytes first-visit-answer first-visit-quick
    first-visit-device first-visit-device-page folder memory overhead predict-small predict-12mp
    start threads visits
"""


def test_every_published_figure_is_listed_once() -> None:
    assert [entry.name for entry in BENCHMARKS] == NAMES.split()


def test_figures_are_described() -> None:
    for entry in BENCHMARKS:
        assert len(entry.description) > 20, entry.name
        assert entry.target >= 0
        more_is_better = ("folder", "api-rate", "device-rate", "device-rate-busy")
        assert entry.at_least == (entry.name in more_is_better)
