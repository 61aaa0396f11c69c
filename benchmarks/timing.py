"""Paired timing: two functions measured alternately, so that a slow spell slows both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Pairs:
    """Alternating readings, in seconds."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median over pairs of ours divided by theirs."""
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def __str__(self) -> str:
        """Return both medians, for a table."""
        ours, theirs = median(self.ours), median(self.theirs)
        return f"{_seconds(ours)} against {_seconds(theirs)}, medians of {len(self.ours)} pairs"


def measure_pairs(
    ours: Callable[[], float], theirs: Callable[[], float], count: int, *, warm: int = 1
) -> Pairs:
    """Call both functions alternately ``count`` times; each returns its seconds.

    The first ``warm`` pairs are discarded.
    """
    readings = [(ours(), theirs()) for _ in range(warm + count)][warm:]
    return Pairs(tuple(first for first, _ in readings), tuple(second for _, second in readings))


def timer(
    work: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> Callable[[], float]:
    """Return a function that runs ``work`` and returns the seconds it took."""

    def run() -> float:
        started = clock()
        work()
        return clock() - started

    return run


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"
