"""The Compare page: the component that measures, and what a comparison looks like."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from model import Bundle, LoupeError
from model.browser.device_files import first_visit_bytes, samples_json
from model.bundle import is_public
from model.engines import available
from model.text import clean, format_size
from ui.charts import GREY, accent_color
from ui.compare_page.measurement import STEPS, TRIES, WAYS, Comparison, Result, read_comparison
from ui.component import SCRIPT, base_path
from ui.phrasing import escape_markdown, headline, join_words, phrase_error, shorten, spell_number
from ui.session import current_session

KEY = "compare"

_mount = st.components.v2.component("compare", js=SCRIPT)


def show_component(bundle: Bundle) -> None:
    """Show the choice of a photo; what the browser measures is kept for ``kept_comparison``."""
    base, full_bytes = base_path(), first_visit_bytes(bundle, "full")
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
            "downloads": is_public(bundle),
            # Of a first visit with the full graph; empty before its files are made.
            "fullSize": format_size(full_bytes) if full_bytes else "",
            "tries": TRIES,
            "theme": st.context.theme.type or "light",
            "samples": samples_json(bundle, f"{base}device/"),
        },
        on_measured_change=lambda: _on_measured(bundle),
        on_failed_change=lambda: None,
    )


def _visit_size(result: Result, bundle: Bundle) -> str:
    """Return the size of a first visit if its files exist, else of what this visit downloaded."""
    return format_size(first_visit_bytes(bundle, result.way) or result.downloaded)


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
    unit = "point" if points == "1" else "points"
    apart = f"Their probabilities differ by at most {points} percentage {unit}."
    if len(set(answers.values())) == 1:
        every = "Both" if len(answers) == 2 else f"All {spell_number(len(answers))}"
        return f"{every} say {first}", apart
    by_way = [f"{way} says {answer}" for way, answer in answers.items()]
    return "They differ", f"{join_words(by_way)}. {apart}"


def _answer(result: Result, bundle: Bundle) -> str:
    labels = [escape_markdown(shorten(label, 40)) for label in result.answer(bundle)]
    return join_words(labels) if labels else "“none of these”"


def show_ways(comparison: Comparison, bundle: Bundle) -> None:
    """Show each way's bytes, its answer, and its time as a bar of its steps, on one scale."""
    scale = max(result.times.total for result in comparison.results) or 1
    for result in comparison.results:
        size = f"{format_size(result.sent)} sent"
        if WAYS[result.way].runs_in == "device":
            size = f"{_visit_size(result, bundle)} at a first visit"
        with st.container(gap="xxsmall"):
            with st.container(horizontal=True, horizontal_alignment="distribute", gap="xxsmall"):
                st.markdown(f"**{WAYS[result.way].title}** {size}", width="content")
                st.markdown(headline(result.prediction(bundle)), width="content")
            st.html(_bar(result, scale))
    st.caption(f"The median of {spell_number(TRIES)} tries, just now, on this device and network.")


def _bar(result: Result, scale: float) -> str:
    """Return a way's time as HTML: a bar of its steps, its total, and the steps in words."""
    bar, words = f"<strong>&ensp;{result.times.total:,.0f} ms</strong>", ""
    fills = ("transparent", f"{GREY}66", GREY, accent_color())
    steps = list(zip(STEPS, result.times.steps, fills, strict=True))
    for step, ms, fill in reversed(steps):
        box = f"display: inline-block; height: 14px; border: 1px solid {GREY}; background: {fill}"
        if ms >= 0.5:
            bar = f'<span style="{box}; width: {80 * ms / scale:.1f}%"></span>{bar}'
            key = f'<span style="{box}; width: 14px"></span> {ms:,.0f} {step}&emsp;'
            words = f'<span style="display: inline-block">{key}</span>{words}'
    return (
        f'<div style="display: flex; align-items: center">{bar}</div>'
        f'<div style="font-size: .875rem">{words}</div>'
    )


def show_labels(comparison: Comparison, bundle: Bundle) -> None:
    """Show the likeliest labels' probabilities, in a table whose columns all fit a phone."""
    heads = ["", *(WAYS[result.way].column for result in comparison.results), "apart"]
    rows = [_row("th", heads)]
    for index in comparison.shown_labels():
        shares = [f"{result.probability(index):.1%}" for result in comparison.results]
        label, apart = shorten(clean(bundle.labels[index]), 40), 100 * comparison.spread(index)
        rows.append(_row("td", [label, *shares, f"{apart:.1f}"]))
    style = "width: 100%; border-collapse: collapse; font-size: .875rem"
    st.html(f'<table style="{style}">{"".join(rows)}</table>')


def _row(tag: str, cells: Sequence[str]) -> str:
    style = f"padding: 6px 0 6px 8px; font-weight: normal; border-bottom: 1px solid {GREY}66"
    # A long word of a label breaks, so that four ways fit a phone.
    sides = ["left; width: 30%; overflow-wrap: anywhere", *["right"] * (len(cells) - 1)]
    row = (
        f'<{tag} style="{style}; text-align: {side}">{escape(cell)}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{''.join(row)}</tr>"


def trade_offs(comparison: Comparison, bundle: Bundle) -> list[dict[str, str]]:
    """Return rows that weigh device against server: a dimension, on the device, on a server."""
    device, server = _fastest(comparison, "device"), _fastest(comparison, "server")
    downloaded = f", for {_visit_size(device, bundle)}" if device else ""
    latency = [f"{way.times.total:.0f} ms" if way else "not measured" for way in (device, server)]
    sent = f"{format_size(server.sent)} for this photo" if server else "The whole photo"
    rows = [
        ("Internet", f"Needed once{downloaded}; then it works offline", "Needed for each photo"),
        ("Bandwidth", "Nothing per photo", sent),
        ("Latency", *latency),
        ("Computing power", "This device’s", "The server’s, shared by all visitors"),
        ("Privacy", "The photo stays here", "The file is sent, used for the answer, then gone"),
        (
            "Freedom of framework",
            "Networks that become an ONNX graph",
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
