"""A model's accuracy on an axis, and its calibration: the reliability diagram and its figures."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from model.bundle import Manifest, Metric, ModelCard, ReliabilityBin
from model.text import count_of
from ui.charts import GREY, INK, accent_color
from ui.phrasing import format_percent, percent_range

SIDE_PX = 400
"""Side of the diagram where there is room, in pixels."""

TYPICAL_CONFIDENCE = 0.8
"""Confidence whose bin is put into words."""

MIN_EXAMPLE_PHOTOS = 5
"""Minimum number of photos in the bin that is put into words."""

CALIBRATED, UNCALIBRATED = "calibrated", "before calibration"


def draw_accuracy(accuracy: Metric, start: float) -> None:
    """Draw an accuracy with its interval on an axis from ``start``; a published one is grey."""
    if accuracy.is_published:
        color, words = GREY, f"{accuracy.value:.1%}, as published"
    else:
        color, words = accent_color(), f"{accuracy.value:.1%}; {format_interval(accuracy)}"
    axis = alt.Axis(
        values=[start + (1 - start) * step / 4 for step in range(5)],
        format=".0%",
        # Only the ends have room beside the words.
        labelExpr="datum.index % 1 ? '' : datum.label",
        labelColor=INK,
        labelFontSize=14,
        title=words,
        titleColor=INK,
        titleFontSize=14,
        titleFontWeight="normal",
        titleY=22,
        grid=False,
        domain=True,
        domainColor=GREY,
        ticks=True,
        tickColor=GREY,
        tickSize=6,
    )
    scale = alt.Scale(domain=[start, 1], nice=False)
    base = alt.Chart(pd.DataFrame([accuracy.model_dump()]), height=72).encode(y=alt.value(10))
    x = alt.X("value:Q", axis=axis, scale=scale)
    chart = base.mark_point(filled=True, size=160, opacity=1, color=color).encode(x=x)
    if not accuracy.is_published:
        low = alt.X("low:Q", axis=axis, scale=scale)
        bar = base.mark_rule(color=color, strokeWidth=3).encode(x=low, x2="high:Q")
        ends = base.transform_fold(["low", "high"]).mark_tick(color=color, thickness=3, size=16)
        chart = bar + ends.encode(x=x) + chart
    chart = chart.configure_view(stroke=None)
    st.altair_chart(chart.properties(description=f"Accuracy: {words}"), width="stretch")


def show_calibration(manifest: Manifest, card: ModelCard) -> None:
    """Show how far a model's stated confidence is from its accuracy."""
    st.write(f"**{describe_typical_bin(card.reliability)}**")
    if card.reliability_uncalibrated:
        example = describe_typical_bin(card.reliability_uncalibrated)
        st.write(f"Before calibration: {example[:1].lower()}{example[1:]}")
    # As wide as it is high where there is room; a phone is narrower.
    with st.container(width=SIDE_PX):
        st.altair_chart(_draw_reliability(card), width="stretch")
    st.caption(
        "On the dashed line, confidence matches accuracy. Below it the model is overconfident, "
        "above it underconfident. Larger points stand for more photos."
    )
    if error := manifest.metric("calibration_error"):
        before = manifest.metric("calibration_error_before")
        st.write(
            f"**Calibration error {format_percent(error.value)}**{describe_interval(error)}: on "
            "average, its stated confidence is this far from its actual accuracy."
            + (f" Before calibration: {format_percent(before.value)}." if before else "")
        )
    if coverage := manifest.metric("coverage"):
        rule = manifest.calibration and manifest.calibration.prediction_set
        target = f"; target {format_percent(rule.coverage)}" if rule else ""
        st.write(
            f"**For {format_percent(coverage.value)} of photos, the right label is among its "
            f"plausible ones** ({format_interval(coverage)}{target})."
        )


def describe_typical_bin(bins: Sequence[ReliabilityBin]) -> str:
    """Return 'Of 18 answers at about 79% confidence, 78% were correct.'."""
    large = [item for item in bins if item.photos >= MIN_EXAMPLE_PHOTOS] or list(bins)
    typical = min(large, key=lambda item: abs(item.confidence - TYPICAL_CONFIDENCE))
    answers = count_of(typical.photos, "answer")
    return (
        f"Of {answers} at about {typical.confidence:.0%} confidence, "
        f"{typical.accuracy:.0%} were correct."
    )


def _draw_reliability(card: ModelCard) -> alt.LayerChart:
    """Return accuracy by confidence, with the line where both agree."""
    series = {UNCALIBRATED: card.reliability_uncalibrated, CALIBRATED: card.reliability}
    data = pd.DataFrame(
        {"series": name, **item.model_dump()} for name, bins in series.items() for item in bins
    )
    description = "; ".join(
        f"{row.series}: {row.confidence:.0%} confidence, {row.accuracy:.0%} accuracy, "
        f"{row.photos} photos"
        for row in data.itertuples()
    )
    text = INK
    axis = alt.Axis(format=".0%", tickCount=4, labelColor=text, titleColor=text, labelFontSize=12)
    unit = alt.Scale(domain=[0, 1], nice=False)
    base = alt.Chart(data, height=SIDE_PX - 60)
    diagonal = base.mark_rule(color=text, strokeDash=[4, 4]).encode(
        x=alt.datum(0, type="quantitative"),
        y=alt.datum(0, type="quantitative"),
        x2=alt.datum(1),
        y2=alt.datum(1),
    )
    legend = alt.Legend(title=None, orient="top", labelColor=text, labelFontSize=12)
    points = base.mark_point(filled=True, opacity=0.85).encode(
        x=alt.X("confidence:Q", title="Stated confidence", scale=unit, axis=axis),
        y=alt.Y("accuracy:Q", title="Actual accuracy", scale=unit, axis=axis),
        color=alt.Color("series:N", legend=legend).scale(
            domain=[CALIBRATED, UNCALIBRATED], range=[accent_color(), accent_color(sure=False)]
        ),
        # The shape differs as well, for people who cannot tell the colours apart.
        shape=alt.Shape("series:N", legend=legend).scale(
            domain=[CALIBRATED, UNCALIBRATED], range=["circle", "diamond"]
        ),
        size=alt.Size("photos:Q", legend=None).scale(rangeMin=50, rangeMax=420),
        tooltip=["series:N", "confidence:Q", "accuracy:Q", "photos:Q"],
    )
    layers: alt.LayerChart = (diagonal + points).configure_view(stroke=None)
    return layers.properties(description=description)


def describe_interval(metric: Metric) -> str:
    """Return an interval in brackets; empty if it wasn't measured."""
    return f" ({format_interval(metric)})" if metric.low < metric.high else ""


def format_interval(metric: Metric) -> str:
    """Return '95% CI 91.5–96.4%'."""
    return f"95% CI {percent_range(metric.low, metric.high, digits=1)}"
