"""Charts of a model's card: who is taken for whom, and whether its numbers can be believed."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from model.bundle.card import ReliabilityBin
from ui.charts import accent
from ui.models_page.counts import Counts

__all__ = ["confusion_chart", "reliability_chart"]

SQUARE = 400
"""Pixels a side of the reliability diagram, where there is room."""

FITS = 22
"""Pixels of a cell from which a count fits into it."""

NOW, BEFORE = "calibrated", "before calibration"


def _ink() -> str:
    # As in ``ui.charts``: the theme's own axis labels are too pale.
    return "#E7F0EE" if st.context.theme.type == "dark" else "#12211F"


def confusion_chart(counts: Counts) -> None:
    """Draw labels down and answers across; the fuller the colour, the more of its photos."""
    names = tuple(counts.labels[index] for index in counts.present)
    said = f"{counts.right} of {counts.card.photos} right; " + "; ".join(
        f"{pair.label} called {pair.predicted}: {pair.count}" for pair in counts.confused[:10]
    )
    spec = _confusion(names, accent(), accent(sure=False), _ink())
    st.vega_lite_chart(counts.matrix(), {**spec, "description": said}, width="stretch")


@lru_cache(maxsize=16)
def _confusion(names: tuple[str, ...], right: str, wrong: str, ink: str) -> dict[str, Any]:
    many = len(names) > 10
    base = alt.Chart(alt.NamedData("pairs"), height=alt.Step(22 if many else 30)).encode(
        x=alt.X(
            "said:N",
            scale=alt.Scale(domain=names),
            title="It was called",
            axis=_axis(ink, many, labelAngle=-90, orient="top"),
        ),
        y=alt.Y("label:N", scale=alt.Scale(domain=names), title=None, axis=_axis(ink, many)),
        tooltip=[
            alt.Tooltip("label:N", title="It is"),
            alt.Tooltip("said:N", title="It was called"),
            alt.Tooltip("count:Q", title="Photos"),
            alt.Tooltip("share:Q", title="Of its photos", format=".0%"),
        ],
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color(
            "right:N", scale=alt.Scale(domain=[True, False], range=[right, wrong]), legend=None
        ),
        opacity=alt.Opacity(
            "share:Q", scale=alt.Scale(domain=[0, 1], range=[0.15, 0.6]), legend=None
        ),
    )
    # On a phone with many labels a cell is narrower than its count: colours speak there.
    shown = alt.condition(f"bandwidth('x') >= {FITS}", alt.value(1), alt.value(0))
    numbers = base.mark_text(fontSize=12, color=ink).encode(text="count:Q", opacity=shown)
    return _finished(cells + numbers)


def _axis(ink: str, many: bool, **more: Any) -> alt.Axis:
    return alt.Axis(
        labelLimit=90 if many else 110,
        labelFontSize=11 if many else 12,
        labelColor=ink,
        titleColor=ink,
        labelOverlap=False,
        labelFlush=False,
        ticks=False,
        domain=False,
        **more,
    )


def reliability_chart(after: Sequence[ReliabilityBin], before: Sequence[ReliabilityBin]) -> None:
    """Draw how often answers of a probability were right, against the line where both agree."""
    data = pd.DataFrame(
        {
            "series": series,
            "given": one.confidence,
            "right": one.accuracy,
            "photos": one.photos,
        }
        for series, bins in ((BEFORE, before), (NOW, after))
        for one in bins
    )
    spec = _reliability(accent(), accent(sure=False), _ink())
    said = "; ".join(
        f"{row.series}: {row.given:.0%} given, {row.right:.0%} right, {row.photos} photos"
        for row in data.itertuples()
    )
    # As wide as high where there is room; a phone is narrower.
    with st.container(width=SQUARE):
        st.vega_lite_chart(data, {**spec, "description": said}, width="stretch")


@lru_cache(maxsize=4)
def _reliability(now: str, before: str, ink: str) -> dict[str, Any]:
    def axis(title: str) -> alt.Axis:
        return alt.Axis(
            title=title,
            format=".0%",
            values=[0, 0.25, 0.5, 0.75, 1],
            labelColor=ink,
            titleColor=ink,
            labelFontSize=12,
            labelFlush=False,
            gridOpacity=0.5,
        )

    whole = alt.Scale(domain=[0, 1], nice=False)
    base = alt.Chart(alt.NamedData("bins"), height=SQUARE - 60)
    diagonal = base.mark_rule(color=ink, strokeDash=[4, 4], strokeWidth=1).encode(
        x=alt.datum(0, type="quantitative"),
        y=alt.datum(0, type="quantitative"),
        x2=alt.datum(1),
        y2=alt.datum(1),
    )
    series = [NOW, BEFORE]
    legend = alt.Legend(title=None, orient="top", labelColor=ink, labelFontSize=12, symbolSize=90)
    points = base.mark_point(filled=True, opacity=0.85).encode(
        x=alt.X("given:Q", scale=whole, axis=axis("The probability it gave")),
        y=alt.Y("right:Q", scale=whole, axis=axis("How many were right")),
        color=alt.Color(
            "series:N", scale=alt.Scale(domain=series, range=[now, before]), legend=legend
        ),
        # The shape differs, too, for whoever cannot tell the colours apart.
        shape=alt.Shape(
            "series:N", scale=alt.Scale(domain=series, range=["circle", "diamond"]), legend=legend
        ),
        size=alt.Size("photos:Q", scale=alt.Scale(rangeMin=50, rangeMax=420), legend=None),
        tooltip=[
            alt.Tooltip("series:N", title="Its numbers"),
            alt.Tooltip("given:Q", title="It gave", format=".0%"),
            alt.Tooltip("right:Q", title="Were right", format=".0%"),
            alt.Tooltip("photos:Q", title="Photos"),
        ],
    )
    return _finished(diagonal + points)


def _finished(chart: alt.LayerChart) -> dict[str, Any]:
    spec: dict[str, Any] = chart.configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec
