"""Bar charts, in Altair, and facts; readable at 390 px in light and dark."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import altair as alt
import pandas as pd
import streamlit as st

from model.answer.prediction import Certainty, Prediction, certainty
from model.answer.share_link import decode
from ui.app_info import DARK, LIGHT
from ui.phrasing import SURE, format_percent, spell_number

GREY = "#7C8B88"

LEAST = 0.001
"""Smallest probability for which the viewfinder draws a bar, as in its ``answer_view.mjs``."""

INK = "currentColor"
"""Colour of a chart's text: the page's, also after a change of its theme.

Text marks are black in the dark theme unless given a colour, and the theme's own axis labels are
too pale to read in the sun.
"""

LABEL_WIDTH = 130
"""Largest width of the label column, in pixels; tooltips show labels in full."""


def accent_color(*, sure: bool = True) -> str:
    """Return the colour of the first bar: the accent, or amber if the model is not sure."""
    colors = DARK if st.context.theme.type == "dark" else LIGHT
    return colors["accent" if sure else "doubt"]


def main_button() -> Literal["primary", "secondary"]:
    """Return the type of a main button; Streamlit's white on dark mode's accent is hard to read."""
    return "secondary" if st.context.theme.type == "dark" else "primary"


def draw_answer(prediction: Prediction, count: int) -> None:
    """Draw at most ``count`` labels on an axis to 100%, with the plausible ones marked."""
    plausible = {item.label for item in prediction.prediction_set or ()}
    rows = [
        (f"✓ {label}" if label in plausible else label, value, text)
        for label, value, text in _bars(prediction, count)
    ]
    if prediction.in_distribution is False:
        # For an out-of-distribution photo, percentages mean little.
        rows = [("✓ none of these", 0.0, ""), *((label, value, "") for label, value, _ in rows)]
    # The accent is for answers that were calibrated to be sure.
    is_sure = certainty(prediction) in SURE
    _draw(rows, accent_color() if is_sure else GREY, "Probability")


def draw_further(token: str, first: int, last: int) -> None:
    """Draw those of an answer's ``last`` likeliest labels for which the viewfinder has no bar.

    It has bars for at most ``first`` labels: the likeliest, and others of at least 0.1%.

    Raises:
        LinkError: the token can't be decoded; nothing is drawn.
    """
    prediction = decode(token).prediction
    # 0.1% in a link may be rounded up: such a label has no bar, so it is drawn here.
    drawn = 1 + sum(item.probability > LEAST for item in prediction.top(first)[1:])
    rows = _bars(prediction, last)[drawn:]
    # “None of these” has no meaningful percentages.
    if not rows or certainty(prediction) is Certainty.UNKNOWN:
        return
    title = "The next label" if len(rows) == 1 else f"The next {spell_number(len(rows))} labels"
    st.subheader(title, anchor=False)
    _draw(rows, GREY, "Probability")


def _bars(prediction: Prediction, count: int) -> list[tuple[str, float, str]]:
    # A link holds only the likeliest labels; the others have a probability of 0.
    likely = [item for item in prediction.top(count) if item.probability > 0]
    return [(item.label, item.probability, format_percent(item.probability)) for item in likely]


def draw_counts(counts: Sequence[tuple[str, int]]) -> None:
    """Draw how many photos each label has, in the given order."""
    most = max(count for _, count in counts)
    rows = [(label, count / most, f"{count:,}") for label, count in counts]
    _draw(rows, accent_color(), "Photos")


def _draw(rows: Sequence[tuple[str, float, str]], color: str, title: str) -> None:
    """Draw bars: their label, value from 0 to 1, and text."""
    data = pd.DataFrame(rows, columns=["label", "value", "text"])
    spec = _spec(8 * max(6, *map(len, data["text"])), color, title)
    description = "; ".join(f"{label}: {text}" for label, _, text in rows)
    st.vega_lite_chart(data, {**spec, "description": description}, width="stretch")


@lru_cache(maxsize=128)
def _spec(text_width: int, color: str, title: str) -> dict[str, Any]:
    """Return the Vega-Lite specification, without data.

    Cached, because it is the same for many photos, and Altair takes 20 ms to build and validate
    it: longer than the model takes to answer.
    """
    axis = alt.Scale(domain=[0, 1], range=[LABEL_WIDTH, alt.expr(f"width - {text_width + 12}")])
    base = alt.Chart(alt.NamedData("bars"), height=alt.Step(28)).encode(
        y=alt.Y("label:N", sort=None, axis=None),
        tooltip=[alt.Tooltip("label:N", title="Label"), alt.Tooltip("text:N", title=title)],
    )
    # The chart's description has all texts.
    text: dict[str, Any] = {"fontSize": 16, "color": INK, "aria": False}
    layers = alt.layer(
        # Before the bars, whose layer would sort the rows.
        base.mark_text(align="left", limit=LABEL_WIDTH - 12, **text).encode(
            x=alt.value(0), text="label:N"
        ),
        base.mark_text(align="right", **text).encode(x=alt.value("width"), text="text:N"),
        base.mark_bar(size=12, color=color, aria=False).encode(
            x=alt.X("value:Q", axis=None, scale=axis)
        ),
    )
    spec: dict[str, Any] = layers.configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec


def show_facts(facts: Mapping[str, Iterable[str]]) -> None:
    """Show facts as Markdown, each with a name and its lines."""
    with st.container(gap="xsmall"):
        for name, lines in facts.items():
            with st.container(horizontal=True, wrap=False, gap="small"):
                # Columns would be wider on a phone.
                st.markdown(name, width=56)
                st.markdown("  \n".join(lines))
