"""A benchmark, and the figure that it measures."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class NotMeasured(Exception):
    """A figure that can't be measured on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A named measurement with its target.

    Attributes:
        name: as on the command line.
        description: its row in the table.
        target: in ``unit``; an upper bound, or a lower one with ``at_least``.
        measure: takes ``quick``; returns the value and how it was measured.
        unit: of the value; ``×`` for a ratio.
    """

    name: str
    description: str
    target: float
    measure: Callable[[bool], tuple[float, str]]
    unit: str = "×"
    at_least: bool = False

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
    def met(self) -> bool | None:
        """True if the target is met; None if nothing was measured."""
        if self.value is None:
            return None
        target = self.benchmark.target
        return self.value >= target if self.benchmark.at_least else self.value <= target

    @property
    def verdict(self) -> str:
        """One of “met”, “missed” and “not measured”."""
        return {True: "met", False: "missed", None: "not measured"}[self.met]


def format_table(figures: Sequence[Figure]) -> str:
    """Return a Markdown table, one figure per row."""
    rows = ["| figure | what | measured | target | | how |", "|---|---|---:|---:|---|---|"]
    for figure in figures:
        entry = figure.benchmark
        value = "–" if figure.value is None else _format(figure.value, entry.unit)
        target = f"{'≥' if entry.at_least else '≤'} {_format(entry.target, entry.unit)}"
        cells = [entry.name, entry.description, value, target, figure.verdict, figure.detail]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _format(value: float, unit: str) -> str:
    """Return a value with its unit, in its significant digits."""
    if unit == "×":
        return f"{value:.2f}"
    if not value:
        return "0"
    return f"{value:.{1 if value < 100 else 0}f}".removesuffix(".0") + f" {unit}"


def write_report(
    path: Path, figures: Sequence[Figure], environment: Mapping[str, str], *, quick: bool
) -> None:
    """Write figures and environment to ``path`` as JSON."""
    rows = [
        {
            "name": figure.benchmark.name,
            "measures": figure.benchmark.description,
            "unit": figure.benchmark.unit,
            "value": figure.value,
            "target": figure.benchmark.target,
            "detail": figure.detail,
            "at_least": figure.benchmark.at_least,
            "met": figure.met,
        }
        for figure in figures
    ]
    report = {"machine": dict(environment), "quick": quick, "figures": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
