"""A benchmark with its goal, its row in the table, and readings taken in pairs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

HEADS = ["figure", "what", "measured", "goal", "", "how"]


class NotMeasured(Exception):
    """A figure that can't be measured on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A named measurement with its goal."""

    name: str
    goal: str
    """As in docs/benchmarks.md: ``≤ 330 MB``; a ratio has no unit."""
    description: str
    measure: Callable[[bool], tuple[float, str]]
    """Takes ``quick``; returns the value, in the goal's unit, and how it was measured."""

    def run(self, quick: bool = False) -> list[str]:
        """Measure, with few readings if ``quick``, and return the cells of a row of ``HEADS``."""
        value = None
        try:
            value, detail = self.measure(quick)
        except NotMeasured as reason:
            detail = str(reason)
        except Exception as error:  # noqa: BLE001 - one failure must not lose the other figures
            detail = f"{type(error).__name__}: {str(error).strip()[:300]}"
        unit = "".join(self.goal.split()[2:])
        digits = 0 if value is None or value == 0 or abs(value) >= 100 else 2
        shown = "–" if value is None else f"{value:,.{digits}f} {unit}".strip()
        return [self.name, self.description, shown, self.goal, self.verdict(value), detail]

    def verdict(self, value: float | None) -> str:
        """Return “met”, “missed” or, without a value, “not measured”."""
        if value is None:
            return "not measured"
        bound, limit, *_ = self.goal.split()
        is_met = value >= float(limit) if bound == "≥" else value <= float(limit)
        return "met" if is_met else "missed"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Readings of two functions in turn, in seconds, so that a slow spell slows both."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median over pairs of ours divided by theirs."""
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def __str__(self) -> str:
        """Return both medians, for a table."""
        ours, theirs = _seconds(median(self.ours)), _seconds(median(self.theirs))
        return f"{ours} against {theirs}, medians of {len(self.ours)} pairs"


def measure_pairs(
    ours: Callable[[], float], theirs: Callable[[], float], count: int, *, warm: int = 1
) -> Pairs:
    """Call both functions alternately ``count`` times; each returns its seconds.

    The first ``warm`` pairs are discarded.
    """
    readings = [(ours(), theirs()) for _ in range(warm + count)][warm:]
    return Pairs(tuple(first for first, _ in readings), tuple(second for _, second in readings))


def timer(work: Callable[[], object]) -> Callable[[], float]:
    """Return a function that runs ``work`` and returns the seconds it took."""

    def run() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return run


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"
