"""Bar charts, in Altair, readable at 390 px in light and dark."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from model.answer.decision import Certainty, certainty
from model.answer.prediction import Prediction
from ui.phrasing import format_percent

__all__ = ["accent_color", "draw_candidates", "draw_counts", "text_color"]

GREY = "#7C8B88"

LABEL_WIDTH = 130
"""Largest width of the label column, in pixels; tooltips show labels in full."""


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
    return "#E7F0EE" if st.context.theme.type == "dark" else "#0B1917"


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
    level = certainty(prediction)
    color = accent_color(sure=level not in (Certainty.FEW, Certainty.HARD))
    _draw(
        data,
        min(8 * (label_length + 1), LABEL_WIDTH),
        _greys()[0] if level in (Certainty.GUESS, Certainty.NOTHING) else color,
        "Probability",
        is_hollow=level in (Certainty.FEW, Certainty.HARD),
        # Only calibrated models call something very likely.
        rules=(0.9, 1.0) if plausible is not None else (),
    )


def draw_counts(counts: Sequence[tuple[str, int]]) -> None:
    """Draw how many photos each label has, in the given order."""
    most = max(count for _, count in counts)
    data = pd.DataFrame(
        {
            "label": [label for label, _ in counts],
            "value": [count / most for _, count in counts],
            "text": [f"{count:,}" for _, count in counts],
            "named": True,
        }
    )
    _draw(data, LABEL_WIDTH, accent_color(), "Photos")


def _greys() -> tuple[str, str]:
    """Return the colours of edges and of lines."""
    return ("#6F827D", "#263735") if st.context.theme.type == "dark" else ("#75847F", "#D3DCDA")


def _draw(
    data: pd.DataFrame,
    label_width: int,
    color: str,
    value_title: str,
    *,
    is_hollow: bool = False,
    rules: tuple[float, ...] = (),
) -> None:
    """Draw bars: their ``label``, ``value`` from 0 to 1, ``text``, and whether ``named``."""
    text_width = 8 * max(6, *map(len, data["text"]))
    colors = (color, text_color(), *_greys())
    spec = _spec(label_width, text_width, colors, value_title, is_hollow, rules)
    rows = zip(data["label"], data["text"], strict=True)
    description = "; ".join(f"{label}: {text}" for label, text in rows)
    st.vega_lite_chart(data, {**spec, "description": description}, width="stretch")


@lru_cache(maxsize=128)
def _spec(
    label_width: int,
    text_width: int,
    colors: tuple[str, str, str, str],
    value_title: str,
    is_hollow: bool,
    rules: tuple[float, ...],
) -> dict[str, Any]:
    """Return the Vega-Lite specification, without data.

    Cached, because it is the same for many photos, and Altair takes 20 ms to build and validate
    it: longer than the model takes to answer.
    """
    color, ink, edge, hair = colors
    axis = alt.Scale(domain=[0, 1], range=[label_width, alt.expr(f"width - {text_width + 12}")])
    chart = alt.Chart(alt.NamedData("bars"), height=alt.Step(28))
    base = chart.encode(
        y=alt.Y("label:N", sort=None, axis=None),
        tooltip=[alt.Tooltip("label:N", title="Label"), alt.Tooltip("text:N", title=value_title)],
    )
    on_axis = alt.X("value:Q", axis=None, scale=axis)
    outline = {"stroke": color, "strokeWidth": 2, "fill": "transparent"}
    fill: dict[str, Any] = outline if is_hollow else {"color": color}
    named = "datum.named"
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
        *(rule(at, hair) for at in rules),
        rule(0, edge),
        # Before the bars, whose layers would sort the rows.
        base.mark_text(align="left", limit=label_width - 12, **text).encode(
            x=alt.value(0), text="label:N"
        ),
        base.mark_text(align="right", **text).encode(x=alt.value("width"), text="text:N"),
        base.transform_filter(f"!{named}")
        .mark_bar(size=4, color=edge, aria=False)
        .encode(x=on_axis),
        base.transform_filter(named).mark_bar(size=12, aria=False, **fill).encode(x=on_axis),
    )
    spec: dict[str, Any] = layers.configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec
