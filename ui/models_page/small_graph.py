"""The figures of a model's small graph, which browsers run, beside those of the full one."""

from functools import partial

import streamlit as st

from model.bundle import Bundle, Metric, SmallCard, get_bundle, named_ood_sets, read_small_card
from ui.models_page.section import show_section
from ui.phrasing import escape_markdown, format_percent, percent_range

__all__ = ["agreement_lines", "graph_rows", "show_small_graph"]

METRIC_TITLES = {
    "accuracy": "Accuracy",
    "coverage": "Right label among the plausible ones",
    "calibration_error": "Calibration error",
    "kept": "Known photos accepted",
    "shown": "Right as shown",
}


def show_small_graph(name: str) -> None:
    """Show both graphs' figures for the model of that name, once the visitor opens them."""
    show_section("In browsers", ":material/devices:", f"small-{name}", partial(_draw, name))


def _draw(name: str) -> None:
    bundle = get_bundle(name)
    card = read_small_card(bundle)
    if card is None:
        # The file was replaced while the page was open.
        st.caption("Not measured.")
        return
    st.write("A visitor's own device runs the small graph: the same network with 8-bit weights.")
    st.table(graph_rows(bundle, card), border="horizontal", hide_index=True)
    for line in agreement_lines(card):
        st.write(line)
    if metric := card.metric("accuracy"):
        on, by = (escape_markdown(text) for text in (metric.on, metric.by))
        st.caption(f"{metric.photos:,} photos: {on} ({by}).")


def graph_rows(bundle: Bundle, card: SmallCard) -> list[dict[str, str]]:
    """Return one row for each figure that was measured of both graphs."""
    rows = []
    for name, title in METRIC_TITLES.items():
        full, small = card.full_metric(name), card.metric(name)
        if full and small:
            rows.append(_row(title, _with_interval(full), _with_interval(small)))
    by_name = {result.name: result for result in named_ood_sets(bundle)}
    for result in card.card.ood_sets if card.card else ():
        if full_result := by_name.get(result.name):
            rates = [format_percent(one.ood_accept_rate) for one in (full_result, result)]
            rows.append(_row(f"Accepted of *{escape_markdown(result.name)}*", *rates))
    return rows


def _row(title: str, full: str, small: str) -> dict[str, str]:
    return {"": title, "Full graph": full, "Small graph": small}


def _with_interval(metric: Metric) -> str:
    share = f"{metric.value:.1%}"
    if metric.low == metric.high:
        return share
    return f"{share} ({percent_range(metric.low, metric.high, digits=1)})"


def agreement_lines(card: SmallCard) -> list[str]:
    """Return how often both graphs answer alike, one line for each set of photos, as Markdown."""
    lines = []
    for row in card.agreement:
        name = escape_markdown(row.name)
        line = f"*{name}*: same top label on **{row.top_label:,} of {row.photos:,}**"
        if row.known is not None:
            line += f", “none of these” decided alike on **{row.known:,}**"
        lines.append(f"{line}.")
    return lines
