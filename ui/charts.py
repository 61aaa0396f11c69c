"""Bar charts, in Altair, readable at 390 px in light and dark."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from model.decision import Certainty, certainty
from model.prediction import Prediction
from ui.phrasing import format_percent

__all__ = ["accent_color", "draw_bars", "draw_candidates", "text_color"]

GREY = "#7C8B88"

LABEL_WIDTH = 130
"""Largest width of the label column, in pixels; tooltips show labels in full."""

TONES = {
    Certainty.FEW: "doubt",
    Certainty.HARD: "doubt",
    Certainty.GUESS: "plain",
    Certainty.NOTHING: "plain",
}
"""Styles of answers that don't name one plausible label, as in the component."""


def accent_color(*, sure: bool = True) -> str:
    """Return the colour of the first bar: teal, or amber if the model is not sure."""
    is_dark = st.context.theme.type == "dark"
    if sure:
        return "#2DD4BF" if is_dark else "#0F766E"
    return "#FBBF24" if is_dark else "#B45309"


def text_color() -> str:
    """Return the colour of a chart's text.

    Text marks are black in the dark theme unless given a colour, and the theme's own axis labels
    are too pale to read in the sun.
    """
    return "#E7F0EE" if st.context.theme.type == "dark" else "#12211F"


def draw_candidates(prediction: Prediction, first: int, last: int) -> None:
    """Draw an answer's labels from number ``first`` on, up to ``last``, as the component does.

    Bars are on one axis from 0 to 100%: the labels that the answer names solid, or hollow if
    there are several, and grey if the model isn't calibrated; the others thin and grey.
    """
    # A link holds the likeliest labels only; the others have no probability.
    candidates = [item for item in prediction.top(last)[first:] if item.probability > 0]
    plausible = prediction.prediction_set
    answer = prediction.answer or ()
    names = [answer] if isinstance(answer, str) else answer
    named = {item.label for item in plausible} if plausible else {*names}
    data = pd.DataFrame(
        {
            "label": [item.label for item in candidates],
            # At least 2 px.
            "value": [max(item.probability, 0.008) for item in candidates],
            "text": [format_percent(item.probability) for item in candidates],
            "named": [item.label in named for item in candidates],
        }
    )
    # The same columns for the labels before ``first``.
    label_length = max(len(item.label) for item in prediction.top(last))
    text_length = max(6, *map(len, data["text"]))
    spec = _candidates_spec(
        min(8 * (label_length + 1), LABEL_WIDTH),
        8 * text_length,
        st.context.theme.type == "dark",
        TONES.get(certainty(prediction), "sure"),
        plausible is not None,
    )
    rows = zip(data["label"], data["text"], strict=True)
    description = "; ".join(f"{label}: {text}" for label, text in rows)
    st.vega_lite_chart(data, {**spec, "description": description}, width="stretch")


@lru_cache(maxsize=128)
def _candidates_spec(
    label_width: int, text_width: int, is_dark: bool, tone: str, is_calibrated: bool
) -> dict[str, Any]:
    """Return the Vega-Lite specification, without data; cached as that of ``_bars_spec`` is."""
    ink, edge, hair = (
        ("#E7F0EE", "#6F827D", "#263735") if is_dark else ("#0B1917", "#75847F", "#D3DCDA")
    )
    axis = alt.Scale(domain=[0, 1], range=[label_width, alt.expr(f"width - {text_width + 12}")])
    chart = alt.Chart(alt.NamedData("bars"), height=alt.Step(28))
    base = chart.encode(
        y=alt.Y("label:N", sort=None, axis=None),
        tooltip=[alt.Tooltip("label:N", title="Label"), alt.Tooltip("text:N", title="Probability")],
    )
    on_axis = alt.X("value:Q", axis=None, scale=axis)
    named = "datum.named"
    outline = {"stroke": accent_color(sure=False), "strokeWidth": 2, "fill": "transparent"}
    fills: dict[str, dict[str, Any]] = {
        "sure": {"color": accent_color()},
        "doubt": outline,
        "plain": {"color": edge},
    }
    # Labels in bold where the answer names them.
    text: dict[str, Any] = {
        "fontSize": 16,
        "color": ink,
        "fontWeight": alt.expr(f"{named} ? 600 : 400"),
        # The chart's description has them all.
        "aria": False,
    }

    def rule(at: float, color: str) -> Any:
        return chart.mark_rule(color=color, aria=False).encode(
            x=alt.X(datum=at, axis=None, scale=axis)
        )

    layers = alt.layer(
        # Only calibrated models call something very likely.
        *((rule(0.9, hair), rule(1, hair)) if is_calibrated else ()),
        rule(0, edge),
        # Before the bars, whose layers would sort the rows.
        base.mark_text(align="left", limit=label_width - 12, **text).encode(
            x=alt.value(0), text="label:N"
        ),
        base.mark_text(align="right", **text).encode(x=alt.value("width"), text="text:N"),
        base.transform_filter(f"!{named}")
        .mark_bar(size=4, color=edge, aria=False)
        .encode(x=on_axis),
        base.transform_filter(named).mark_bar(size=12, aria=False, **fills[tone]).encode(x=on_axis),
    )
    spec: dict[str, Any] = layers.configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec


def draw_bars(
    labels: Sequence[str],
    values: Sequence[float],
    texts: Sequence[str],
    *,
    full_value: float,
    first_color: str,
    value_title: str,
) -> None:
    """Draw horizontal bars in the given order, the first in its own colour.

    Args:
        full_value: value of the longest possible bar.
        first_color: colour of the first bar.
        value_title: name of the value in tooltips.
    """
    data = pd.DataFrame(
        {
            "label": labels,
            "value": values,
            "text": texts,
            "rank": [min(rank, 1) for rank in range(len(labels))],
        }
    )
    description = "; ".join(f"{label}: {text}" for label, text in zip(labels, texts, strict=True))
    spec = _bars_spec(full_value, first_color, text_color(), value_title)
    st.vega_lite_chart(data, {**spec, "description": description}, width="stretch")


@lru_cache(maxsize=32)
def _bars_spec(
    full_value: float, first_color: str, text_color: str, value_title: str
) -> dict[str, Any]:
    """Return the Vega-Lite specification, without data.

    Cached, because it is the same for every photo, and Altair takes 20 ms to build and
    validate it: longer than the model takes to answer.
    """
    base = alt.Chart(alt.NamedData("bars"), height=alt.Step(30)).encode(
        x=alt.X("value:Q", axis=None).scale(domain=[0, full_value * 1.25]),
        y=alt.Y("label:N", sort=None, title=None).axis(
            labelLimit=LABEL_WIDTH,
            labelColor=text_color,
            labelFontSize=13,
            labelPadding=8,
            ticks=False,
            domain=False,
        ),
        tooltip=[alt.Tooltip("label:N", title="Label"), alt.Tooltip("text:N", title=value_title)],
    )
    marks = base.mark_bar(size=18, cornerRadius=4).encode(
        color=alt.Color("rank:O", legend=None).scale(domain=[0, 1], range=[first_color, GREY])
    )
    texts = base.mark_text(align="left", dx=6, fontSize=13, color=text_color).encode(text="text:N")
    spec: dict[str, Any] = (marks + texts).configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec
