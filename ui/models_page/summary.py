"""The top of a model's card: how often it is right, what it knows, and what it doesn't notice."""

from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from model import Bundle
from model.bundle import Metric, OodResult, named_ood_sets
from model.text import list_some
from ui.charts import accent_color, text_color
from ui.models_page.figures import describe_turned_away, format_interval
from ui.phrasing import escape_markdown, format_percent, link_urls, shorten

__all__ = ["describe_blind_spots", "show_summary"]

MAX_LISTED = 12
"""Most labels that are listed; of more, the first few."""

TOO_MANY_ACCEPTED = 0.5
"""OOD accept rate from which a set of photos counts as not noticed."""


def show_summary(bundle: Bundle, *, is_chosen: bool) -> None:
    """Show a model's title, accuracy, labels and blind spots.

    Args:
        bundle: the model.
        is_chosen: mark it as the one that answers this visitor's photos.
    """
    manifest = bundle.manifest
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(escape_markdown(manifest.title), anchor=False, width="stretch")
        if is_chosen:
            st.badge("In use", icon=":material/check:", color="green")
    st.write(escape_markdown(manifest.description))
    if accuracy := manifest.metric("accuracy"):
        _show_accuracy(bundle, accuracy)
    else:
        st.write("**Accuracy** not measured.")
    st.markdown(f"**What it knows**  \n{_list_labels(bundle)}")
    if blind_spots := describe_blind_spots(bundle):
        st.warning(f"**What it doesn't notice**  \n{blind_spots}")


def _show_accuracy(bundle: Bundle, accuracy: Metric) -> None:
    st.metric("Correct", f"{accuracy.value:.1%}")
    st.caption(f"on {accuracy.photos:,} photos ({escape_markdown(accuracy.on)})")
    _draw_interval(accuracy)
    if sentence := describe_turned_away(bundle):
        st.write(sentence)
    if bundle.manifest.card:
        st.caption(escape_markdown(accuracy.by))
    else:
        # Not a caption, in which a link is too pale to read.
        st.write(link_urls(accuracy.by))


def _draw_interval(metric: Metric) -> None:
    """Draw a share as a dot with its 95% interval, on an axis that ends at 100%."""
    start = max(0.0, round(metric.low - 0.1, 1))
    data = pd.DataFrame([{"low": metric.low, "value": metric.value, "high": metric.high}])
    spec = _interval_spec(start, accent_color(), text_color())
    label = f"{format_percent(metric.value)}, {format_interval(metric)}"
    st.vega_lite_chart(data, {**spec, "description": label}, width="stretch")


@lru_cache(maxsize=32)
def _interval_spec(start: float, color: str, text: str) -> dict[str, Any]:
    """Return the Vega-Lite specification, without data."""
    axis = alt.Axis(
        format=".0%", tickCount=4, labelColor=text, labelFontSize=13, grid=False, title=None
    )
    base = alt.Chart(alt.NamedData("interval"), height=48)
    x = alt.X("low:Q", axis=axis).scale(domain=[start, 1], nice=False)
    line = base.mark_errorbar(ticks={"size": 12, "color": color}, color=color, thickness=2).encode(
        x=x, x2="high:Q"
    )
    dot = base.mark_point(size=90, filled=True, color=color, opacity=1).encode(
        x=alt.X("value:Q"),
        tooltip=[
            alt.Tooltip("value:Q", title="Accuracy", format=".1%"),
            alt.Tooltip("low:Q", title="at least (95%)", format=".1%"),
            alt.Tooltip("high:Q", title="at most (95%)", format=".1%"),
        ],
    )
    spec: dict[str, Any] = (line + dot).configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec


def _list_labels(bundle: Bundle) -> str:
    """Return all labels of a model that has few, else the first ones, as Markdown."""
    names = [escape_markdown(shorten(label, 40)) for label in bundle.labels]
    return list_some(names, MAX_LISTED if len(names) <= MAX_LISTED else MAX_LISTED // 2)


def describe_blind_spots(bundle: Bundle) -> str:
    """Return what a model takes for something it knows, as Markdown; empty without a measurement.

    Names the sets of photos of other things, those that it accepts most often first. Also empty
    if it mostly rejects each set.
    """
    results = sorted(named_ood_sets(bundle), key=_accept_rate, reverse=True)
    if not results or _accept_rate(results[0]) < TOO_MANY_ACCEPTED:
        return ""
    return " ".join(_describe_accepted(result) for result in results)


def _accept_rate(result: OodResult) -> float:
    return result.ood_accept_rate


def _describe_accepted(result: OodResult) -> str:
    name = f"*{escape_markdown(shorten(result.name, 80))}*"
    accepted = round(result.ood_accept_rate * result.photos)
    if not accepted:
        return f"None of the {result.photos:,} {name} got one."
    return f"It gave one of its labels to {accepted:,} of {result.photos:,} {name}."
