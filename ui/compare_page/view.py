"""The parts of a comparison: agreement in words, times as bars, and the labels of each way."""

import altair as alt
import pandas as pd
import streamlit as st

from model import Bundle
from ui.charts import GREY, accent_color, text_color
from ui.compare_page.measurement import TRIES, WAYS, Comparison, Result
from ui.phrasing import escape_markdown, join_words, shorten, spell_number

__all__ = ["describe_agreement", "draw_times", "show_labels", "trade_offs"]

STEPS = ("on the way", "getting the photo ready", "the model")


def describe_agreement(comparison: Comparison, bundle: Bundle) -> tuple[str, str]:
    """Return a headline and a sentence on how far the ways agree, as Markdown."""
    answers = [_answer(result, bundle) for result in comparison.results]
    count = len(answers)
    if count == 1:
        return f"It says {answers[0]}", "Only one way answered, so there is nothing to compare."
    points = f"{100 * comparison.largest_difference():.2g}"
    apart = f"Their probabilities are {points} percentage points apart at most."
    if len(set(answers)) == 1:
        every = "Both" if count == 2 else f"All {spell_number(count)}"
        return f"{every} say {answers[0]}", apart
    said = [
        f"{WAYS[result.way].column} says {answer}"
        for result, answer in zip(comparison.results, answers, strict=True)
    ]
    return "They differ", f"{join_words(said)}. {apart}"


def _answer(result: Result, bundle: Bundle) -> str:
    if result.known is False:
        return "“none of these”"
    return escape_markdown(shorten(bundle.labels[result.labels[0][0]], 40))


def draw_times(comparison: Comparison) -> None:
    """Draw each way's time as a bar of three parts, on one axis for all."""
    rows = [
        {
            "way": WAYS[result.way].column,
            "step": step,
            "order": order,
            "ms": ms,
            "total": result.times.total,
            "label": f"{result.times.total:.0f} ms",
        }
        for result in comparison.results
        for order, (step, ms) in enumerate(
            zip(
                STEPS, (result.times.travel, result.times.prepare, result.times.engine), strict=True
            )
        )
    ]
    longest = max(result.times.total for result in comparison.results)
    base = alt.Chart(pd.DataFrame(rows), height=alt.Step(36)).encode(
        y=alt.Y("way:N", sort=None, title=None).axis(
            labelColor=text_color(), labelFontSize=13, labelPadding=8, ticks=False, domain=False
        )
    )
    bars = base.mark_bar(size=18, stroke=GREY, strokeWidth=1).encode(
        x=alt.X("ms:Q", axis=None).scale(domain=[0, longest * 1.3]),
        order="order:O",
        color=alt.Color("step:N", sort=STEPS, title=None)
        .scale(domain=STEPS, range=["transparent", GREY, accent_color()])
        .legend(
            orient="bottom",
            labelColor=text_color(),
            labelFontSize=13,
            symbolStrokeColor=GREY,
            columns=1,
        ),
        tooltip=[
            alt.Tooltip("step:N", title="Step"),
            alt.Tooltip("ms:Q", title="Milliseconds", format=".1f"),
        ],
    )
    texts = (
        base.transform_filter("datum.order == 0")
        .mark_text(align="left", dx=6, fontSize=13, color=text_color())
        .encode(x="total:Q", text="label:N")
    )
    chart = (bars + texts).configure_view(stroke=None)
    described = "; ".join(
        f"{WAYS[result.way].title}: {result.times.total:.0f} ms" for result in comparison.results
    )
    st.altair_chart(chart.properties(description=described), width="stretch")
    st.caption(f"The median of {spell_number(TRIES)} tries, just now, on this device and network.")


def show_labels(comparison: Comparison, bundle: Bundle) -> None:
    """Show the likeliest labels with their probability by each way."""
    rows = []
    for index in comparison.shown_labels():
        shares = {result.way: result.probability(index) for result in comparison.results}
        rows.append(
            {
                "Label": escape_markdown(shorten(bundle.labels[index], 40)),
                **{WAYS[way].column: f"{share:.1%}" for way, share in shares.items()},
            }
        )
    st.table(rows, border="horizontal", hide_index=True)


def trade_offs(comparison: Comparison, bundle: Bundle) -> list[dict[str, str]]:
    """Return the table that weighs device against server, with what was just measured."""
    device = _best(comparison, "device")
    server = _best(comparison, "server")
    downloaded = f", for {device.downloaded / 1e6:.1f} MB" if device else ""
    sent = f"{_size(server.sent)} for this photo" if server else "The whole photo"
    rows = [
        (
            "Internet",
            f"Needed once{downloaded}; then it works offline",
            "Needed for each photo",
        ),
        ("Bandwidth", "Nothing per photo", sent),
        ("Latency", _total(device), _total(server)),
        (
            "Computing power",
            f"This device's{_engine(device)}",
            f"The server's{_engine(server)}, shared by all visitors",
        ),
        ("Privacy", "The photo stays here", "The photo is sent, used for the answer, then gone"),
        (
            "Freedom of framework",
            f"Networks that become an ONNX graph, here one of {_graph_size(bundle)}",
            "Anything that Python can run",
        ),
        ("Complexity", "A folder of files on any web server", "A running app, with its updates"),
        ("Cost", "Static hosting, often free", "A server with at least 512 MB of memory"),
    ]
    return [{"": name, "On the device": here, "On a server": there} for name, here, there in rows]


def _best(comparison: Comparison, runs_in: str) -> Result | None:
    """Return the fastest way that runs on the device or on the server."""
    results = [one for one in comparison.results if WAYS[one.way].runs_in == runs_in]
    return min(results, key=lambda result: result.times.total, default=None)


def _total(result: Result | None) -> str:
    return f"{result.times.total:.0f} ms" if result else "not measured"


def _engine(result: Result | None) -> str:
    return f": {result.times.engine:.0f} ms for the model" if result else ""


def _graph_size(bundle: Bundle) -> str:
    return _size((bundle.folder / "graph.onnx").stat().st_size)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{max(1, round(count / 1e3))} kB"
