"""The Compare page: a comparison that the browser measured, checked and then shown."""

import json
from collections.abc import Sequence
from html import escape
from typing import Annotated, Literal, NamedTuple

import streamlit as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model import Bundle, LoupeError
from model.answer.answer_json import ReportedAnswer
from model.answer.prediction import Prediction
from model.browser.device_files import first_visit_bytes, samples_json
from model.bundle import is_public
from model.engines import available
from model.errors import DataError
from model.photo import MAX_BYTES
from model.text import clean, format_size
from ui.charts import GREY, accent_color
from ui.component import base_path, mount
from ui.phrasing import escape_markdown, headline, join_words, phrase_error, shorten, spell_number
from ui.session_state import current_session

KEY = "compare"

TRIES = 5
"""Tries of each way after the first; the page shows the one whose time is the median."""


class Way(NamedTuple):
    """One way to answer a photo: its name above a bar, where it runs, its name above a column."""

    title: str
    runs_in: Literal["device", "server"]
    column: str


WAYS = {
    "small": Way("On this device, small graph", "device", "device, small"),
    "full": Way("On this device, full graph", "device", "device, full"),
    "compiled": Way("On the server, compiled engine", "server", "compiled"),
    "learner": Way("On the server, learner engine", "server", "learner"),
}
"""All ways in the page's order, by their names in ``device/compare.mjs``."""

STEPS = ("on the way", "in the queue", "getting the photo ready", "the model")
"""The steps of a try, in their order."""

WayName = Literal["small", "full", "compiled", "learner"]
Duration = Annotated[float, Field(ge=0, le=600_000, allow_inf_nan=False)]
Size = Annotated[int, Field(ge=0, le=2**32)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Times(_Strict):
    """Milliseconds of one try: on the way, in the queue, then the steps of the path of a photo."""

    travel: Duration
    queue: Duration
    decode: Duration
    preprocess: Duration
    engine: Duration

    @property
    def steps(self) -> tuple[float, float, float, float]:
        """The durations of ``STEPS``, in milliseconds."""
        return self.travel, self.queue, self.decode + self.preprocess, self.engine

    @property
    def total(self) -> float:
        """The total, in milliseconds."""
        return sum(self.steps)


class Result(ReportedAnswer):
    """The answer of one way, with its bytes and times."""

    way: WayName
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{12}\z")]
    downloaded: Size
    sent: Size
    times: Times

    @property
    def graph(self) -> Literal["small", "full"]:
        """The graph that answered."""
        return "small" if self.way == "small" else "full"

    def visit_size(self, bundle: Bundle) -> str:
        """Return the size of a first visit if its files exist, else of what was downloaded."""
        return format_size(first_visit_bytes(bundle, self.graph) or self.downloaded)

    def probability(self, index: int) -> float:
        """Return a label's probability; zero if it was too low to be reported."""
        return dict(self.labels).get(index, 0.0)

    def answer(self, bundle: Bundle) -> list[str]:
        """Return the labels of the answer: several, one, or none for "none of these"."""
        answer = self.prediction(bundle).answer
        return answer if isinstance(answer, list) else [answer] if answer else []

    def prediction(self, bundle: Bundle) -> Prediction:
        """Return the prediction of this way."""
        return self.to_prediction(
            bundle,
            engine=self.way if WAYS[self.way].runs_in == "server" else "wasm",
            milliseconds=None,
            graph=self.graph,
        )


class Failure(_Strict):
    """A way that did not answer, with the code of its error."""

    way: WayName
    failed: Annotated[str, Field(pattern=r"^[a-z-]{1,40}\z")]


class Comparison(_Strict):
    """One photo by several ways; ``bytes`` is the size of its file."""

    model: Annotated[str, Field(max_length=64)]
    bytes: Annotated[int, Field(ge=0, le=MAX_BYTES)]
    ways: Annotated[list[Result | Failure], Field(min_length=1, max_length=len(WAYS))]

    @property
    def results(self) -> list[Result]:
        """The ways that answered."""
        return [way for way in self.ways if isinstance(way, Result)]

    @property
    def failures(self) -> list[Failure]:
        """The ways that did not."""
        return [way for way in self.ways if isinstance(way, Failure)]

    @property
    def reference(self) -> Result:
        """The result that the others are compared with: of the last way that answered."""
        return max(self.results, key=lambda result: [*WAYS].index(result.way))

    def shown_labels(self, limit: int = 5) -> list[int]:
        """Return the indices of the reference's likeliest labels and of every way's first."""
        first = [result.labels[0][0] for result in self.results]
        likeliest = [index for index, _ in self.reference.labels[:limit]]
        return list(dict.fromkeys([*likeliest, *first]))

    def spread(self, index: int) -> float:
        """Return the largest difference between the ways' probabilities of a label."""
        shares = [result.probability(index) for result in self.results]
        return max(shares) - min(shares)

    def largest_difference(self) -> float:
        """Return how far apart two ways are at most, over the labels that are shown."""
        return max(map(self.spread, self.shown_labels()))


def read_comparison(data: object, bundle: Bundle) -> Comparison:
    """Return the comparison that the component sent as JSON, of the model that the page showed.

    Raises:
        DataError: it is malformed, or is not about this model.
    """
    try:
        # As JSON, in which strict types take a list for a tuple.
        comparison = Comparison.model_validate_json(json.dumps(data))
    except (ValidationError, TypeError, ValueError, RecursionError):
        raise DataError("The comparison is malformed. Reload the page.") from None
    results, names = comparison.results, [way.way for way in comparison.ways]
    versions = {result.version for result in results}
    is_ours = comparison.model == bundle.name and versions == {bundle.version}
    if not is_ours or len(set(names)) < len(names):
        raise DataError("The model was replaced while it was compared. Try again.")
    if any(result.find_contradiction(bundle) for result in results):
        raise DataError("The comparison contradicts itself. Reload the page.")
    return comparison


def show_component(bundle: Bundle) -> None:
    """Show the choice of a photo; what the browser measures is kept for ``kept_comparison``."""
    base, full_bytes = base_path(), first_visit_bytes(bundle, "full")
    # The same in each run until something changes.
    data = {
        "base": base,
        "model": bundle.name,
        "labels": list(bundle.labels),
        "engines": list(available(bundle)),
        "token": current_session().api_token,
        "downloads": is_public(bundle),
        # Of a first visit with the full graph; empty before its files are made.
        "fullSize": format_size(full_bytes) if full_bytes else "",
        "tries": TRIES,
        "samples": samples_json(bundle, f"{base}device/"),
    }
    mount(KEY, "compare.mjs", data, measured=lambda: _on_measured(bundle))


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
            size = f"{result.visit_size(bundle)} at a first visit"
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
    downloaded = f", for {device.visit_size(bundle)}" if device else ""
    latency = [f"{way.times.total:.0f} ms" if way else "not measured" for way in (device, server)]
    sent = f"{format_size(server.sent)} for this photo" if server else "The whole photo"
    rows = [
        ("Internet", f"Needed once{downloaded}; then it works offline", "Needed for each photo"),
        ("Bandwidth", "Nothing per photo", sent),
        ("Latency", *latency),
        ("Computing power", "This device’s", "The server’s, shared by all visitors"),
        ("Privacy", "The photo stays here", "The file is sent, used for the answer, then dropped"),
        (
            "Choice of framework",
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
