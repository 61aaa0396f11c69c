"""The parts of a comparison: agreement, times, bytes, labels of each way, trade-offs."""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from model import Bundle
from model.text import format_size
from ui.charts import GREY, accent_color, text_color
from ui.compare_page.measurement import STEPS, TRIES, WAYS, Comparison, Result
from ui.phrasing import escape_markdown, headline, join_words, shorten, spell_number

__all__ = [
    "describe_agreement",
    "draw_times",
    "show_answers",
    "show_bytes",
    "show_labels",
    "trade_offs",
]

PALE_GREY = f"{GREY}66"
NUMBER_SHARE = 0.08
"""A shorter step, as a share of the longest bar, has no number below it: two would overlap."""


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
    by_way = [
        f"{WAYS[result.way].column} says {answer}"
        for result, answer in zip(comparison.results, answers, strict=True)
    ]
    return "They differ", f"{join_words(by_way)}. {apart}"


def _answer(result: Result, bundle: Bundle) -> str:
    labels = [escape_markdown(shorten(label, 40)) for label in result.answer(bundle)]
    return join_words(labels) if labels else "“none of these”"


def draw_times(comparison: Comparison) -> None:
    """Draw each way's time as a bar of its steps, on one axis for all."""
    longest = max(result.times.total for result in comparison.results)
    ways, steps = [], []
    for result in comparison.results:
        way, end = WAYS[result.way].title, 0.0
        ways.append({"way": way, "end": result.times.total, "text": _ms(result.times.total)})
        for step, ms in zip(STEPS, result.times.steps, strict=True):
            start, end = end, end + ms
            number = f"{ms:.0f}" if ms >= NUMBER_SHARE * longest else ""
            steps.append(
                {"way": way, "step": step, "start": start, "end": end, "ms": ms, "number": number}
            )
    y = alt.Y("way:N", sort=[WAYS[result.way].title for result in comparison.results], axis=None)
    in_step = alt.Chart(pd.DataFrame(steps), height=alt.Step(76)).encode(y=y)
    in_way = alt.Chart(pd.DataFrame(ways)).encode(y=y)
    color = text_color()
    bars = in_step.mark_bar(size=18, stroke=GREY, strokeWidth=1).encode(
        x=alt.X("start:Q", axis=None).scale(domain=[0, longest * 1.25]),
        x2="end:Q",
        color=alt.Color("step:N", sort=STEPS, title=None)
        .scale(domain=STEPS, range=["transparent", PALE_GREY, GREY, accent_color()])
        .legend(
            orient="bottom",
            labelColor=color,
            labelFontSize=13,
            symbolStrokeColor=GREY,
            symbolStrokeWidth=1,
            columns=2,
        ),
        tooltip=[
            alt.Tooltip("step:N", title="Step"),
            alt.Tooltip("ms:Q", title="Milliseconds", format=".1f"),
        ],
    )
    titles = _texts(in_way, dy=-22, fontWeight=600).encode(x=alt.datum(0), text="way:N")
    totals = _texts(in_way, dx=6, fontWeight=600).encode(x="end:Q", text="text:N")
    numbers = _texts(in_step, dy=19).encode(x="start:Q", text="number:N")
    chart = (bars + titles + totals + numbers).configure_view(stroke=None)
    st.altair_chart(chart.properties(description=_describe_times(comparison)), width="stretch")
    st.caption(f"The median of {spell_number(TRIES)} tries, just now, on this device and network.")


def _texts(base: alt.Chart, **options: Any) -> Any:
    return base.mark_text(align="left", fontSize=13, color=text_color(), **options)


def _describe_times(comparison: Comparison) -> str:
    """Return the times as a sentence for screen readers."""
    return "; ".join(
        f"{WAYS[result.way].title}: {_ms(result.times.total)}, "
        + join_words(
            [f"{step} {ms:.0f}" for step, ms in zip(STEPS, result.times.steps, strict=True)]
        )
        for result in comparison.results
    )


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms"


def show_answers(comparison: Comparison, bundle: Bundle) -> None:
    """Show each way's answer in words, and how far it is from the reference."""
    reference = comparison.reference
    rows = []
    for result in comparison.results:
        points = 100 * comparison.difference(result, reference)
        rows.append(
            {
                "": WAYS[result.way].column,
                "answer": headline(result.prediction(bundle)),
                "difference": "reference" if result is reference else f"{points:.2f} points",
            }
        )
    st.table(rows, border="horizontal", hide_index=True)


def show_bytes(comparison: Comparison) -> None:
    """Show how many bytes each way sends and downloads."""
    rows = [
        {
            "": WAYS[result.way].column,
            "sent": format_size(result.sent) if result.sent else "nothing",
            "downloaded once": format_size(result.downloaded) if result.downloaded else "nothing",
        }
        for result in comparison.results
    ]
    st.table(rows, border="horizontal", hide_index=True)


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
    """Return rows that weigh device against server: a dimension, on the device, on a server."""
    device = _best(comparison, "device")
    server = _best(comparison, "server")
    downloaded = f", for {format_size(device.downloaded)}" if device else ""
    sent = f"{format_size(server.sent)} for this photo" if server else "The whole photo"
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
        ("Privacy", "The photo stays here", "The file is sent, used for the answer, then gone"),
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
    results = [result for result in comparison.results if WAYS[result.way].runs_in == runs_in]
    return min(results, key=lambda result: result.times.total, default=None)


def _total(result: Result | None) -> str:
    return f"{result.times.total:.0f} ms" if result else "not measured"


def _engine(result: Result | None) -> str:
    return f": {result.times.engine:.0f} ms for the model" if result else ""


def _graph_size(bundle: Bundle) -> str:
    return format_size((bundle.folder / "graph.onnx").stat().st_size)
