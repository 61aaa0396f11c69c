"""The Compare page: the component that measures, and what a comparison looks like."""

import math
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from model import Bundle, LoupeError
from model.browser.device_files import samples_json
from model.engines import available
from model.settings import settings
from model.text import format_size
from ui.charts import GREY, accent_color, text_color
from ui.compare_page.measurement import STEPS, TRIES, WAYS, Comparison, Result, read_comparison
from ui.component import SCRIPT, base_path
from ui.phrasing import (
    escape_markdown,
    headline,
    join_words,
    phrase_error,
    shorten,
    spell_number,
)
from ui.session import current_session

KEY = "compare"

_mount = st.components.v2.component("compare", js=SCRIPT)


def show_component(bundle: Bundle) -> None:
    """Show the choice of a photo; what the browser measures is kept for ``kept_comparison``."""
    base = base_path()
    graph = bundle.folder / "graph.onnx"
    _mount(
        key=KEY,
        # The same in each run until something changes.
        data={
            "script": f"{base}device/compare.mjs",
            "base": base,
            "model": bundle.name,
            "labels": list(bundle.labels),
            "engines": list(available(bundle)),
            "token": current_session().api_token,
            "downloads": settings().downloads,
            "fullMegabytes": math.ceil(graph.stat().st_size / 1e6),
            "tries": TRIES,
            "theme": st.context.theme.type or "light",
            "samples": samples_json(f"{base}device/"),
        },
        on_measured_change=lambda: _on_measured(bundle),
        on_failed_change=lambda: None,
    )


def _on_measured(bundle: Bundle) -> None:
    st.session_state.pop("comparison_error", None)
    try:
        comparison = read_comparison(st.session_state[KEY].get("measured"), bundle)
    except LoupeError as error:
        st.session_state["comparison_error"] = phrase_error(error)
        return
    st.session_state["comparison"] = ((bundle.name, bundle.version), comparison)


def kept_comparison(bundle: Bundle) -> Comparison | None:
    """Return this session's newest comparison, if it is about this version of the model."""
    key, comparison = st.session_state.get("comparison", (None, None))
    return comparison if key == (bundle.name, bundle.version) else None


def describe_agreement(comparison: Comparison, bundle: Bundle) -> tuple[str, str]:
    """Return a headline and a sentence on how far the ways agree, as Markdown."""
    answers = {WAYS[result.way].column: _answer(result, bundle) for result in comparison.results}
    first = next(iter(answers.values()))
    if len(answers) == 1:
        return f"It says {first}", "Only one way answered, so there is nothing to compare."
    points = f"{100 * comparison.largest_difference():.2g}"
    apart = f"Their probabilities are {points} percentage points apart at most."
    if len(set(answers.values())) == 1:
        every = "Both" if len(answers) == 2 else f"All {spell_number(len(answers))}"
        return f"{every} say {first}", apart
    by_way = [f"{way} says {answer}" for way, answer in answers.items()]
    return "They differ", f"{join_words(by_way)}. {apart}"


def _answer(result: Result, bundle: Bundle) -> str:
    labels = [escape_markdown(shorten(label, 40)) for label in result.answer(bundle)]
    return join_words(labels) if labels else "“none of these”"


def draw_times(comparison: Comparison) -> None:
    """Draw each way's time as a bar of its steps, on one axis for all."""
    data = pd.DataFrame(
        {"way": WAYS[result.way].column, "step": step, "order": order, "ms": ms}
        for result in comparison.results
        for order, (step, ms) in enumerate(zip(STEPS, result.times.steps, strict=True))
    )
    color = text_color()
    text: dict[str, Any] = {"labelColor": color, "titleColor": color, "labelFontSize": 13}
    bars = alt.Chart(data, height=alt.Step(36)).mark_bar(size=18, stroke=GREY)
    chart = bars.encode(
        x=alt.X("ms:Q", title="Milliseconds").axis(**text, grid=False),
        y=alt.Y("way:N", sort=None, title=None).axis(**text, labelLimit=110),
        color=alt.Color("step:N", sort=STEPS, title=None)
        .scale(domain=STEPS, range=["transparent", f"{GREY}66", GREY, accent_color()])
        .legend(**text, orient="bottom", symbolStrokeColor=GREY, symbolStrokeWidth=1, columns=2),
        order="order:Q",
        tooltip=["step:N", alt.Tooltip("ms:Q", title="milliseconds", format=".1f")],
    )
    description = "; ".join(f"{row.way}, {row.step}: {row.ms:.0f} ms" for row in data.itertuples())
    st.altair_chart(chart.properties(description=description), width="stretch")
    st.caption(f"The median of {spell_number(TRIES)} tries, just now, on this device and network.")


def show_tables(comparison: Comparison, bundle: Bundle) -> None:
    """Show each way's answer in words with its time, its bytes, and the likeliest labels."""
    results, reference = comparison.results, comparison.reference
    answers, sizes = {}, {}
    for result in results:
        points = 100 * comparison.difference(result, reference)
        way = WAYS[result.way].column
        answers[way] = {
            "answer": headline(result.prediction(bundle)),
            "time": f"{result.times.total:.0f} ms",
            "difference": "reference" if result is reference else f"{points:.2f} points",
        }
        sizes[way] = {"sent": _size(result.sent), "downloaded once": _size(result.downloaded)}
    labels = {
        escape_markdown(shorten(bundle.labels[index], 40)): {
            WAYS[result.way].column: f"{result.probability(index):.1%}" for result in results
        }
        for index in comparison.shown_labels()
    }
    for table in (answers, sizes, labels):
        _show_table(table)


def _show_table(rows: Mapping[str, Mapping[str, Any]]) -> None:
    st.table(
        [{"": name, **row} for name, row in rows.items()], border="horizontal", hide_index=True
    )


def _size(count: int) -> str:
    return format_size(count) if count else "nothing"


def trade_offs(comparison: Comparison, bundle: Bundle) -> list[dict[str, str]]:
    """Return rows that weigh device against server: a dimension, on the device, on a server."""
    device, server = _fastest(comparison, "device"), _fastest(comparison, "server")
    downloaded = f", for {format_size(device.downloaded)}" if device else ""
    sent = f"{format_size(server.sent)} for this photo" if server else "The whole photo"
    graph = format_size((bundle.folder / "graph.onnx").stat().st_size)
    rows = [
        (
            "Internet",
            f"Needed once{downloaded}; then it works offline",
            "Needed for each photo",
        ),
        ("Bandwidth", "Nothing per photo", sent),
        ("Latency", _total(device), _total(server)),
        ("Computing power", "This device's", "The server's, shared by all visitors"),
        ("Privacy", "The photo stays here", "The file is sent, used for the answer, then gone"),
        (
            "Freedom of framework",
            f"Networks that become an ONNX graph, here one of {graph}",
            "Anything that Python can run",
        ),
        ("Complexity", "A folder of files on any web server", "A running app, with its updates"),
        ("Cost", "Static hosting, often free", "A server with at least 512 MB of memory"),
    ]
    return [{"": name, "On the device": here, "On a server": there} for name, here, there in rows]


def _fastest(comparison: Comparison, runs_in: str) -> Result | None:
    """Return the fastest way that runs on the device or on the server."""
    results = [result for result in comparison.results if WAYS[result.way].runs_in == runs_in]
    return min(results, key=lambda result: result.times.total, default=None)


def _total(result: Result | None) -> str:
    return f"{result.times.total:.0f} ms" if result else "not measured"
