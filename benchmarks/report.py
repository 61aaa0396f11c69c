"""Report figures as a Markdown table and as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from .registry import Benchmark, Figure

__all__ = ["format_table", "verdict", "write_report"]


def format_table(figures: Mapping[str, Figure], known: Mapping[str, Benchmark]) -> str:
    """Return a Markdown table, one figure per row."""
    rows = ["| figure | what | measured | target | | how |", "|---|---|---:|---:|---|---|"]
    for name, figure in figures.items():
        entry = known[name]
        target = f"{'≥' if figure.at_least else '≤'} {format_value(figure.target, entry.unit)}"
        value = "–" if figure.value is None else format_value(figure.value, entry.unit)
        cells = [name, entry.measures, value, target, verdict(figure), figure.detail]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def verdict(figure: Figure) -> str:
    """Return “met”, “missed” or “not measured”."""
    return {True: "met", False: "missed", None: "not measured"}[figure.met]


def format_value(value: float, unit: str) -> str:
    """Return a value with its unit, in its significant digits."""
    if unit == "×":
        return f"{value:.2f}"
    if not value:
        return "0"
    digits = 1 if value < 100 else 0
    return f"{value:.{digits}f}".removesuffix(".0") + f" {unit}"


def write_report(
    path: Path,
    figures: Mapping[str, Figure],
    known: Mapping[str, Benchmark],
    environment: Mapping[str, str],
    *,
    quick: bool,
) -> None:
    """Write figures and environment to ``path`` as JSON."""
    rows = [
        {"name": name, "measures": known[name].measures, "unit": known[name].unit}
        | asdict(figure)
        | {"met": figure.met}
        for name, figure in figures.items()
    ]
    text = json.dumps(
        {"machine": dict(environment), "quick": quick, "figures": rows},
        indent=1,
        ensure_ascii=False,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
