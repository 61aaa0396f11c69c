"""Charts, in Altair, readable at 390 px in light and dark."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from model.prediction import Candidate
from ui.phrasing import percent

__all__ = ["accent", "bars", "candidates_chart"]

GREY = "#7C8B88"


def accent(*, sure: bool = True) -> str:
    """The colour of the first bar: teal, or amber where the model is not sure."""
    dark = st.context.theme.type == "dark"
    if sure:
        return "#2DD4BF" if dark else "#0F766E"
    return "#FBBF24" if dark else "#B45309"


def candidates_chart(candidates: Sequence[Candidate], *, sure: bool = True) -> None:
    """Draw the top labels as bars from 0 to 100 %, the share at the end of each."""
    bars(
        [candidate.label for candidate in candidates],
        [candidate.probability for candidate in candidates],
        [percent(candidate.probability) for candidate in candidates],
        top=1.0,
        first=accent(sure=sure),
        value_title="Probability",
    )


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    texts: Sequence[str],
    *,
    top: float,
    first: str,
    value_title: str,
) -> None:
    """Draw horizontal bars in the given order, the first in its own colour.

    Args:
        top: the value at which a bar is full.
        first: colour of the first bar.
        value_title: what a tooltip calls the value.
    """
    data = pd.DataFrame(
        {
            "label": list(labels),
            "value": [float(value) for value in values],
            "text": list(texts),
            "rank": [min(place, 1) for place in range(len(labels))],
        }
    )
    said = "; ".join(f"{label}: {text}" for label, text in zip(labels, texts, strict=True))
    dark = st.context.theme.type == "dark"
    spec = _bars(top, first, dark, value_title)
    st.vega_lite_chart(data, {**spec, "description": said}, width="stretch")


@lru_cache(maxsize=32)
def _bars(top: float, first: str, dark: bool, value_title: str) -> dict[str, Any]:
    """The Vega-Lite specification, without data.

    Altair takes 20 ms to build and validate it, more than the model takes to
    answer, and it is the same for every photo.
    """
    # Text marks are black on the dark theme unless told otherwise, and the theme's
    # own axis labels are too pale to read in the sun.
    ink = "#E7F0EE" if dark else "#3D4B49"
    base = alt.Chart(alt.NamedData("bars"), height=alt.Step(30)).encode(
        y=alt.Y(
            "label:N",
            sort=None,
            title=None,
            axis=alt.Axis(
                labelLimit=130,
                labelColor=ink,
                labelFontSize=13,
                labelPadding=8,
                ticks=False,
                domain=False,
            ),
        ),
        x=alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, top * 1.25])),
        tooltip=[alt.Tooltip("label:N", title="Label"), alt.Tooltip("text:N", title=value_title)],
    )
    drawn = base.mark_bar(size=18, cornerRadius=4).encode(
        color=alt.Color("rank:O", scale=alt.Scale(domain=[0, 1], range=[first, GREY]), legend=None)
    )
    ends = base.mark_text(align="left", dx=6, fontSize=13, color=ink).encode(text="text:N")
    spec: dict[str, Any] = (drawn + ends).configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec
