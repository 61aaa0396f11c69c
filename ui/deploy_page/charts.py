"""This app's memory beside what hosts give."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from deploy.ranking import RankedOption
from ui.charts import accent

__all__ = ["memory_chart"]

MOST_MB = 2048
"""Where the axis ends: a host with more has enough, however much it is."""


def memory_chart(choices: Sequence[RankedOption], taken_mb: float) -> None:
    """Draw each host's memory as a bar, and the app's as a line across them."""
    rows = [
        (choice.title, choice.host.limits.memory_mb)
        for choice in choices
        if choice.host and choice.host.limits.memory_mb
    ]
    data = pd.DataFrame(
        {
            "host": [title for title, _ in rows],
            "shown": [min(memory, MOST_MB) for _, memory in rows],
            "text": [_said(memory) for _, memory in rows],
            "fits": [memory >= taken_mb for _, memory in rows],
            "taken": taken_mb,
        }
    )
    said = "; ".join(f"{title}: {_said(memory)}" for title, memory in rows)
    spec = _spec(accent(), accent(sure=False), st.context.theme.type == "dark")
    said = f"This app takes {taken_mb:.0f} MB. {said}"
    st.vega_lite_chart(data, {**spec, "description": said}, width="stretch")


def _said(memory: int) -> str:
    return f"{memory:,} MB" if memory < 1024 else f"{memory / 1024:g} GB"


@lru_cache(maxsize=4)
def _spec(enough: str, short: str, dark: bool) -> dict[str, Any]:
    ink = "#E7F0EE" if dark else "#3D4B49"
    base = alt.Chart(alt.NamedData("hosts"), height=alt.Step(28)).encode(
        y=alt.Y(
            "host:N",
            sort=None,
            title=None,
            axis=alt.Axis(
                labelLimit=170, labelColor=ink, labelFontSize=13, ticks=False, domain=False
            ),
        ),
        tooltip=[alt.Tooltip("host:N", title="Host"), alt.Tooltip("text:N", title="Memory")],
    )
    across = alt.X("shown:Q", axis=None, scale=alt.Scale(domain=[0, MOST_MB * 1.25]))
    drawn = base.mark_bar(size=14, cornerRadius=4, opacity=0.75).encode(
        x=across,
        color=alt.Color(
            "fits:N", scale=alt.Scale(domain=[True, False], range=[enough, short]), legend=None
        ),
    )
    ends = base.mark_text(align="left", dx=6, fontSize=12, color=ink).encode(
        x=across, text="text:N"
    )
    line = base.mark_tick(thickness=3, size=24, color=ink).encode(x="taken:Q")
    spec: dict[str, Any] = (drawn + ends + line).configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec
