"""A benchmark, the figure that it measures, and readings taken in pairs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


class NotMeasured(Exception):
    """A figure that can't be measured on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A named measurement with its goal.

    Attributes:
        name: as on the command line.
        goal: as in docs/benchmarks.md: ``≤ 330 MB``; a ratio has no unit.
        description: what is measured, and against what.
        measure: takes ``quick``; returns the value, in the goal's unit, and how it was measured.
    """

    name: str
    goal: str
    description: str
    measure: Callable[[bool], tuple[float, str]]

    def run(self, quick: bool = False) -> "Figure":
        """Return the figure, or one without a value if it can't be measured.

        Args:
            quick: take few, noisy readings.
        """
        try:
            return Figure(self, *self.measure(quick))
        except NotMeasured as reason:
            return Figure(self, None, str(reason))
        except Exception as error:  # noqa: BLE001 - one failure must not lose the other figures
            return Figure(self, None, f"{type(error).__name__}: {str(error).strip()[:300]}")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value; None if it wasn't measured, and ``detail`` then says why."""

    benchmark: Benchmark
    value: float | None
    detail: str

    @property
    def verdict(self) -> str:
        """One of “met”, “missed” and “not measured”."""
        if self.value is None:
            return "not measured"
        bound, limit, *_ = self.benchmark.goal.split()
        goal = float(limit)
        return "met" if (self.value >= goal if bound == "≥" else self.value <= goal) else "missed"


def format_table(figures: Sequence[Figure]) -> str:
    """Return a Markdown table, one figure per row."""
    rows = ["| figure | what | measured | goal | | how |", "|---|---|---:|---:|---|---|"]
    for figure in figures:
        entry = figure.benchmark
        unit = "".join(entry.goal.split()[2:])
        value = "–" if figure.value is None else f"{figure.value:,.2f} {unit}".strip()
        cells = [entry.name, entry.description, value, entry.goal, figure.verdict, figure.detail]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


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
