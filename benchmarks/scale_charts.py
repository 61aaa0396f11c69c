"""The charts of docs/scale.md, as SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from .environment import ROOT
from .simulation import Outcome

TEAL, AMBER, GREY = "#0F766E", "#B45309", "#7C8B88"
TITLES = {
    "photos_per_second": "photos/s, 8 clients",
    "p95": "p95 in s, 8 clients",
    "refused": "refused share of 150 photos/s",
    "arrivals_p95": "p95 in s of 150 photos/s",
}
BIN_SECONDS = 5


def draw_comparison(
    predicted: Mapping[int, Mapping[str, float]], measured: Mapping[str, Sequence[Any]]
) -> None:
    """Draw each figure by the number of processes: predicted as bars, readings as points."""
    rows = pd.DataFrame(
        {"processes": number, "figure": TITLES[name], "predicted": value, "measured": row[name]}
        for number, figures in predicted.items()
        for name, value in figures.items()
        for row in measured[str(number)]
    )
    chart = alt.Chart(rows, width=140, height=160).encode(
        alt.X("processes:O", axis=alt.Axis(labelAngle=0))
    )
    bars = chart.mark_bar(color=GREY, opacity=0.5).encode(alt.Y("max(predicted):Q", title=None))
    points = chart.mark_point(color=TEAL, filled=True).encode(alt.Y("measured:Q", title=None))
    column = alt.Column("figure:N", title=None, sort=list(TITLES.values()))
    _save((bars + points).facet(column).resolve_scale(y="independent"), "scale-processes")


def draw_surge(outcomes: Mapping[tuple[str, str], Outcome], seconds: int) -> None:
    """Draw the refused share over time, by where photos are answered and the rule."""
    rows = pd.DataFrame(
        {
            "second": start,
            "refused": outcome.summarize(start, start + BIN_SECONDS)["refused"],
            "photos": where,
            "rule": rule,
        }
        for (where, rule), outcome in outcomes.items()
        for start in range(0, seconds, BIN_SECONDS)
    )
    chart = (
        alt.Chart(rows, width=300, height=180)
        .mark_line(strokeWidth=2)
        .encode(
            alt.X("second:Q", title="seconds"),
            alt.Y("refused:Q", title="refused", axis=alt.Axis(format="%")),
            alt.Color("rule:N", title=None, legend=alt.Legend(orient="top")).scale(
                domain=list(rows["rule"].unique()), range=[GREY, AMBER, TEAL]
            ),
            alt.StrokeDash("rule:N", legend=None),
            alt.Column("photos:N", title=None),
        )
    )
    _save(chart, "scale-surge")


def _save(chart: alt.FacetChart | alt.Chart, name: str) -> None:
    """Write it with a background that suits light and dark pages."""
    chart.properties(background="white", padding=10).save(ROOT / "docs" / f"{name}.svg")
