"""Figures as a Markdown table and as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from .registry import Benchmark, Figure

__all__ = ["table", "verdict", "write"]


def table(found: Mapping[str, Figure], known: Mapping[str, Benchmark]) -> str:
    """A Markdown table, one figure a row."""
    rows = ["| figure | what | found | target | | how |", "|---|---|---:|---:|---|---|"]
    for name, figure in found.items():
        entry = known[name]
        target = f"{'≥' if figure.at_least else '≤'} {number(figure.target, entry.unit)}"
        value = "–" if figure.value is None else number(figure.value, entry.unit)
        cells = [name, entry.measures, value, target, verdict(figure), figure.detail]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def verdict(figure: Figure) -> str:
    """A figure against its target, in a word or two."""
    return {True: "met", False: "missed", None: "not measured"}[figure.met]


def number(value: float, unit: str) -> str:
    """A value with its unit, with the digits that mean something."""
    if unit == "×":
        return f"{value:.2f}"
    return f"{value:.0f} {unit}" if value else "0"


def write(
    path: Path,
    found: Mapping[str, Figure],
    known: Mapping[str, Benchmark],
    machine: Mapping[str, str],
    *,
    quick: bool,
) -> None:
    """Write all of it to ``path`` as JSON."""
    figures = [
        {"name": name, "measures": known[name].measures, "unit": known[name].unit}
        | asdict(figure)
        | {"met": figure.met}
        for name, figure in found.items()
    ]
    text = json.dumps(
        {"machine": dict(machine), "quick": quick, "figures": figures}, indent=1, ensure_ascii=False
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
