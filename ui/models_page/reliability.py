"""The reliability diagram of a model, and one of its bins in words."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from model.bundle import ReliabilityBin
from ui.charts import accent_color, text_color

__all__ = ["describe_typical_bin", "draw_reliability"]

SIDE_PX = 400
"""Side of the diagram where there is room, in pixels."""

TYPICAL_CONFIDENCE = 0.8
"""Confidence whose bin is put into words."""

MIN_EXAMPLE_PHOTOS = 5
"""Minimum number of photos in the bin that is put into words."""

CALIBRATED, UNCALIBRATED = "calibrated", "before calibration"


def describe_typical_bin(bins: Sequence[ReliabilityBin]) -> str:
    """Return 'Of 18 answers at about 79% confidence, 78% were correct.'."""
    large = [item for item in bins if item.photos >= MIN_EXAMPLE_PHOTOS] or list(bins)
    typical = min(large, key=lambda item: abs(item.confidence - TYPICAL_CONFIDENCE))
    answers = "1 answer" if typical.photos == 1 else f"{typical.photos:,} answers"
    return (
        f"Of {answers} at about {typical.confidence:.0%} confidence, "
        f"{typical.accuracy:.0%} were correct."
    )


def draw_reliability(
    calibrated: Sequence[ReliabilityBin], uncalibrated: Sequence[ReliabilityBin]
) -> None:
    """Draw accuracy by confidence, with the line where both agree."""
    data = pd.DataFrame(
        {"series": series, **item.model_dump()}
        for series, bins in ((UNCALIBRATED, uncalibrated), (CALIBRATED, calibrated))
        for item in bins
    )
    description = "; ".join(
        f"{row.series}: {row.confidence:.0%} confidence, {row.accuracy:.0%} accuracy, "
        f"{row.photos} photos"
        for row in data.itertuples()
    )
    # As wide as it is high where there is room; a phone is narrower.
    with st.container(width=SIDE_PX):
        st.altair_chart(_chart(data, description), width="stretch")


def _chart(data: pd.DataFrame, description: str) -> alt.LayerChart:
    text = text_color()
    axis = alt.Axis(
        format=".0%",
        values=[0, 0.25, 0.5, 0.75, 1],
        labelColor=text,
        titleColor=text,
        labelFontSize=12,
        labelFlush=False,
        gridOpacity=0.5,
    )
    unit = alt.Scale(domain=[0, 1], nice=False)
    base = alt.Chart(data, height=SIDE_PX - 60)
    diagonal = base.mark_rule(color=text, strokeDash=[4, 4], strokeWidth=1).encode(
        x=alt.datum(0, type="quantitative"),
        y=alt.datum(0, type="quantitative"),
        x2=alt.datum(1),
        y2=alt.datum(1),
    )
    series = [CALIBRATED, UNCALIBRATED]
    legend = alt.Legend(title=None, orient="top", labelColor=text, labelFontSize=12, symbolSize=90)
    points = base.mark_point(filled=True, opacity=0.85).encode(
        x=alt.X("confidence:Q", title="Stated confidence", scale=unit, axis=axis),
        y=alt.Y("accuracy:Q", title="Actual accuracy", scale=unit, axis=axis),
        color=alt.Color("series:N", legend=legend).scale(
            domain=series, range=[accent_color(), accent_color(sure=False)]
        ),
        # The shape differs as well, for people who cannot tell the colours apart.
        shape=alt.Shape("series:N", legend=legend).scale(
            domain=series, range=["circle", "diamond"]
        ),
        size=alt.Size("photos:Q", legend=None).scale(rangeMin=50, rangeMax=420),
        tooltip=[
            alt.Tooltip("series:N", title="Series"),
            alt.Tooltip("confidence:Q", title="Confidence", format=".0%"),
            alt.Tooltip("accuracy:Q", title="Accuracy", format=".0%"),
            alt.Tooltip("photos:Q", title="Photos"),
        ],
    )
    layers: alt.LayerChart = (diagonal + points).configure_view(stroke=None)
    return layers.properties(description=description)
