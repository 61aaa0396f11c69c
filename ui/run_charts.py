"""Charts of training runs: curves by epoch, accuracies on one axis, the trials of a search."""

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from model.bundle import get_bundle
from model.errors import BundleError
from model.training.run_record import RunRecord
from ui.charts import GREY, INK, accent_color

LABEL_GAP = 0.08
"""Smallest distance between two lines' labels, as a share of the chart's height."""

SERIES = (("trained", "training photos"), ("held_out", "new photos"))
"""Keys of an epoch's accuracies, and the lines' names on screen."""

MAX_DESCRIPTION = 2000


def draw_curves(runs: Sequence[RunRecord]) -> None:
    """Draw the accuracy after each epoch; of several runs, on held-out photos only."""
    is_one = len(runs) == 1
    rows = [
        {"line": name if is_one else f"run {run.number}", "epoch": row["number"], "right": row[key]}
        for run in runs
        for key, name in SERIES
        for row in run.epochs
        if key in row and (is_one or key == "held_out")
    ]
    if not rows:
        return
    st.markdown("**Correct, after each epoch**")
    frame = pd.DataFrame(rows)
    names, last = list(dict.fromkeys(frame["line"])), frame["epoch"].max()
    lowest = _round_down(frame["right"].min())
    colors = [GREY, accent_color()] if is_one else [accent_color(), *[GREY] * (len(names) - 1)]
    steps, epochs = alt.Axis(tickMinStep=1, format="d"), alt.Scale(domain=[1, max(last, 2)])
    base = alt.Chart(frame).encode(
        x=alt.X("epoch:Q", title="epoch", axis=steps, scale=epochs),
        y=_percent_axis("right:Q", lowest),
        color=alt.Color("line:N", legend=None, scale=alt.Scale(domain=names, range=colors)),
    )
    ends = _spread_labels(frame, LABEL_GAP * (1 - lowest))
    text = base.mark_text(align="left", dx=8, fontSize=14).encode(y="label:Q", text="line:N")
    text.data = ends
    chart = base.mark_line(point=True) + text
    words = "; ".join(
        f"{row['line']}, epoch {row['epoch']:.0f}: {row['right']:.1%}" for row in rows
    )
    published = _accuracy_now(runs[0].model) if is_one else None
    if published is not None:
        now = alt.Chart(pd.DataFrame([{"right": published}])).encode(y="right:Q")
        chart += now.mark_rule(strokeDash=[4, 4], color=INK)
    sides = {"left": 8, "right": 112, "top": 8, "bottom": 8}
    options = {"height": 280, "description": words[:MAX_DESCRIPTION], "padding": sides}
    st.altair_chart(chart.properties(**options))
    if is_one:
        counts = runs[0].counts
        dashed = "" if published is None else f" Dashed: the current model, {published:.1%}."
        st.caption(
            f"{counts['held_out']:,} new photos, not trained on; "
            f"{counts['trained']:,} training photos.{dashed}"
        )


def _percent_axis(field: str, lowest: float) -> alt.Y:
    axis, scale = alt.Axis(format=".0%", tickCount=5), alt.Scale(domain=[lowest, 1])
    return alt.Y(field, title=None, axis=axis, scale=scale)


def _round_down(share: float) -> float:
    """Return a whole tenth, at least 0.05 below a share."""
    return math.floor(10 * share - 0.5) / 10


def _spread_labels(frame: pd.DataFrame, gap: float) -> pd.DataFrame:
    """Return each line's last point, with heights at which the labels don't overlap."""
    ends = frame.sort_values("epoch").groupby("line").tail(1).sort_values("right")
    heights: list[float] = []
    for right in ends["right"]:
        heights.append(max(right, heights[-1] + gap) if heights else right)
    beyond = max(0.0, max(heights) - 1)
    return ends.assign(label=[height - beyond for height in heights])


def _accuracy_now(model: str) -> float | None:
    try:
        metric = get_bundle(model).manifest.metric("accuracy")
    except BundleError:
        return None
    return metric.value if metric else None


def draw_intervals(runs: Sequence[RunRecord], in_use: Sequence[int]) -> None:
    """Draw accuracies with their intervals on one axis; runs ``in_use`` have the accent colour."""
    rows = [
        {
            "run": f"Run {run.number}",
            "value": metric.value,
            "low": metric.low,
            "high": metric.high,
            "color": accent_color() if run.number in in_use else GREY,
        }
        for run in runs
        if (metric := run.metric("accuracy"))
    ]
    if not rows:
        return
    frame = pd.DataFrame(rows)
    x = alt.X(
        "low:Q",
        scale=alt.Scale(domain=[min(frame["low"].min(), 0.8), 1]),
        axis=alt.Axis(format=".0%", tickCount=5, title="correct, 95% CI"),
    )
    y, color = alt.Y("run:N", sort=None, title=None), alt.Color("color:N", scale=None)
    base = alt.Chart(frame).encode(y=y, color=color)
    dots = base.mark_point(filled=True, size=90).encode(x="value:Q")
    words = "; ".join(f"{row['run']}: {row['value']:.1%}" for row in rows)
    chart = base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q") + dots
    st.altair_chart(chart.properties(height=alt.Step(36), description=words[:MAX_DESCRIPTION]))


def draw_trials(run: RunRecord) -> None:
    """Draw the trials of a search: accuracy by learning rate, the best in the accent colour."""
    rows = [row for row in run.trials if "value" in row and "lr" in row]
    if not rows:
        return
    st.markdown("**Correct, by learning rate**")
    frame = pd.DataFrame(rows)
    frame["best"] = frame.index == frame["value"].idxmax()
    rates = alt.Scale(type="log", domain=[1e-4, 1e-3])
    rate_axis = alt.Axis(format=".1e", tickCount=4)
    points = alt.Chart(frame).mark_point(size=90, filled=True)
    chart = points.encode(
        x=alt.X("lr:Q", title="learning rate", axis=rate_axis, scale=rates),
        y=_percent_axis("value:Q", _round_down(frame["value"].min())),
        color=alt.condition("datum.best", alt.value(accent_color()), alt.value(GREY)),
        tooltip=[*frame.columns.drop("best")],
    )
    words = "; ".join(f"trial {row['number']:.0f}: {row['value']:.1%}" for row in rows)
    st.altair_chart(chart.properties(height=260, description=words[:MAX_DESCRIPTION]))
