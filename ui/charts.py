"""Bar charts, in Altair, readable at 390 px in light and dark."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from model.prediction import Candidate
from ui.phrasing import format_percent

__all__ = ["accent_color", "draw_bars", "draw_candidates", "text_color"]

GREY = "#7C8B88"


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


def draw_candidates(candidates: Sequence[Candidate], *, sure: bool | None = None) -> None:
    """Draw labels as bars from 0 to 100%, each with its percentage at the end.

    Args:
        sure: whether the model is sure of the first label, which then has a colour of its own.
    """
    draw_bars(
        [candidate.label for candidate in candidates],
        [candidate.probability for candidate in candidates],
        [format_percent(candidate.probability) for candidate in candidates],
        full_value=1.0,
        first_color=GREY if sure is None else accent_color(sure=sure),
        value_title="Probability",
    )


def draw_bars(
    labels: Sequence[str],
    values: Sequence[float],
    texts: Sequence[str],
    *,
    full_value: float,
    first_color: str,
    value_title: str,
    label_limit: int = 130,
) -> None:
    """Draw horizontal bars in the given order, the first in its own colour.

    Args:
        full_value: value of the longest possible bar.
        first_color: colour of the first bar.
        value_title: name of the value in tooltips.
        label_limit: width from which a label is cut, in pixels.
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
    spec = _bars_spec(full_value, first_color, text_color(), value_title, label_limit)
    st.vega_lite_chart(data, {**spec, "description": description}, width="stretch")


@lru_cache(maxsize=32)
def _bars_spec(
    full_value: float, first_color: str, text_color: str, value_title: str, label_limit: int
) -> dict[str, Any]:
    """Return the Vega-Lite specification, without data.

    Cached, because it is the same for every photo, and Altair takes 20 ms to build and
    validate it: longer than the model takes to answer.
    """
    base = alt.Chart(alt.NamedData("bars"), height=alt.Step(30)).encode(
        x=alt.X("value:Q", axis=None).scale(domain=[0, full_value * 1.25]),
        y=alt.Y("label:N", sort=None, title=None).axis(
            labelLimit=label_limit,
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
