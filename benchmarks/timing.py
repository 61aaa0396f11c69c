"""Two things timed by turns, so that a machine that slows down slows both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

__all__ = ["Pairs", "pairs", "timed"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Readings taken by turns, in seconds."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of each pair's own ratio, ours to theirs."""
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def __str__(self) -> str:
        """Both medians, for a table."""
        ours, theirs = median(self.ours), median(self.theirs)
        return f"{_seconds(ours)} against {_seconds(theirs)}, medians of {len(self.ours)} pairs"


def pairs(
    ours: Callable[[], float], theirs: Callable[[], float], count: int, *, warm: int = 1
) -> Pairs:
    """Call both by turns ``count`` times; each gives its seconds.

    The first ``warm`` pairs are not kept.
    """
    readings = [(ours(), theirs()) for _ in range(warm + count)][warm:]
    return Pairs(tuple(first for first, _ in readings), tuple(second for _, second in readings))


def timed(
    work: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> Callable[[], float]:
    """``work`` as a function that gives the seconds it took."""

    def run() -> float:
        began = clock()
        work()
        return clock() - began

    return run


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"
