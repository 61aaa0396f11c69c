"""The confusion of labels as a chart and a table, for a batch and for a model's card."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from model.bundle import ModelCard
from model.evaluation import Confused, Evaluation, LabelScore
from model.spreadsheet import escape_formula
from ui.charts import accent_color
from ui.phrasing import format_percent

__all__ = [
    "ConfusionMatrix",
    "percent_or_zero",
    "percent_range",
    "show_confusion",
    "show_label_table",
    "text_color",
]

MAX_CHART_LABELS = 20
"""Maximum number of labels in the chart: more cannot be told apart on a phone."""

MAX_UNSEARCHED_LABELS = 12
"""Maximum number of labels in a table without a search field."""

COUNT_WIDTH_PX = 22
"""Narrowest cell of the chart with room for its count, in pixels."""

NONE, OTHER = "none of these", "another label"


class ConfusionMatrix:
    """Photos by their true label and the label that a model gave them.

    Args:
        pairs: (true label, given label, photos); the given label is None for "none of these".
        labels: all labels of the model, in its order.
    """

    def __init__(self, pairs: Iterable[tuple[str, str | None, int]], labels: Sequence[str]) -> None:
        self.pairs = tuple(Confused(*pair) for pair in pairs)
        order = {label: index for index, label in enumerate(labels)}
        self.support: Counter[str] = Counter()
        self.predicted: Counter[str | None] = Counter()
        for pair in self.pairs:
            self.support[pair.label] += pair.count
            self.predicted[pair.predicted] += pair.count
        self.rows = sorted(self.support, key=order.__getitem__)
        """Labels that have photos, in the model's order."""
        self.labels = sorted(
            {*self.support, *(label for label in self.predicted if label is not None)},
            key=order.__getitem__,
        )
        """Labels that have photos or were given to one, in the model's order."""

    @classmethod
    def from_card(cls, card: ModelCard, labels: Sequence[str]) -> "ConfusionMatrix":
        """Return the confusion of held-out photos from a model's card."""
        pairs = ((labels[label], labels[given], count) for label, given, count in card.confusion)
        return cls(pairs, labels)

    @classmethod
    def from_evaluation(cls, evaluation: Evaluation, labels: Sequence[str]) -> "ConfusionMatrix":
        """Return the confusion that an evaluation counted."""
        return cls(
            ((pair.label, pair.predicted, pair.count) for pair in evaluation.confusion), labels
        )

    @property
    def photos(self) -> int:
        """Number of photos."""
        return self.support.total()

    @cached_property
    def correct(self) -> Counter[str]:
        """Number of photos that were given their true label, by label."""
        return Counter(
            {pair.label: pair.count for pair in self.pairs if pair.label == pair.predicted}
        )

    @cached_property
    def mistakes(self) -> list[Confused]:
        """The wrong pairs, most frequent first."""
        wrong = [pair for pair in self.pairs if pair.label != pair.predicted]
        return sorted(wrong, key=lambda pair: -pair.count)

    @cached_property
    def scores(self) -> list[LabelScore]:
        """Recall and precision of each label, the worst recall first."""
        scores = [
            LabelScore.of(label, self.support[label], self.predicted[label], self.correct[label])
            for label in self.labels
        ]
        return sorted(scores, key=lambda score: (_recall(score), -score.support))

    def label_frame(self, search: str = "") -> pd.DataFrame:
        """Return a row for each label whose name contains ``search``, the worst first."""
        mistaken_for = {pair.label: pair for pair in reversed(self.mistakes)}
        return pd.DataFrame(
            {
                "Label": escape_formula(score.label),
                "Recall": score.recall and 100 * score.recall.value,
                "Photos": score.support,
                "Correct": score.right,
                "Interval": _recall_interval(score),
                "Precision": None if score.precision is None else 100 * score.precision,
                "Most confused with": _most_confused_with(mistaken_for.get(score.label)),
            }
            for score in self.scores
            if search.strip().casefold() in score.label.casefold()
        )

    def mistake_frame(self, limit: int = 200) -> pd.DataFrame:
        """Return a row for each wrong pair, the most frequent first."""
        return pd.DataFrame(
            {
                "Actual": escape_formula(pair.label),
                "Predicted": escape_formula(pair.predicted or NONE),
                "Photos": pair.count,
                "Share of label": 100 * pair.count / self.support[pair.label],
            }
            for pair in self.mistakes[:limit]
        )

    def cell_frame(self) -> pd.DataFrame:
        """Return the chart's cells; given labels that have no row share one column."""
        cells: Counter[tuple[str, str]] = Counter()
        for pair in self.pairs:
            has_row = pair.predicted in self.support
            given = pair.predicted if has_row else NONE if pair.predicted is None else OTHER
            cells[pair.label, str(given)] += pair.count
        return pd.DataFrame(
            {
                "label": label,
                "predicted": given,
                "count": count,
                "share": count / self.support[label],
                "correct": label == given,
            }
            for (label, given), count in cells.items()
        )


def _recall(score: LabelScore) -> float:
    # Labels without a photo come last.
    return score.recall.value if score.recall else 2.0


def _recall_interval(score: LabelScore) -> str:
    return percent_range(score.recall.low, score.recall.high) if score.recall else ""


def _most_confused_with(pair: Confused | None) -> str:
    return escape_formula(f"{pair.predicted or NONE} ({pair.count:,})") if pair else ""


def percent_or_zero(share: float) -> str:
    """Return ``format_percent``, but '0%' instead of 'under 0.1%' for exactly zero."""
    return format_percent(share) if share else "0%"


def percent_range(low: float, high: float, digits: int = 0) -> str:
    """Return '91–96%' for two shares."""
    return f"{100 * low:.{digits}f}–{100 * high:.{digits}f}%"


def show_confusion(matrix: ConfusionMatrix, rows: str = "the true labels") -> None:
    """Draw the confusion as a chart, or list it where there are too many labels for one.

    Args:
        matrix: what to show.
        rows: what the chart's rows are, in words.
    """
    if len(matrix.rows) <= MAX_CHART_LABELS:
        _draw_chart(matrix)
        st.caption(
            f"Rows are {rows}, columns the model's answers. Teal is correct, amber is wrong."
        )
    elif matrix.mistakes:
        # On a phone, a table's toolbar needs room above it.
        st.space("small")
        st.dataframe(
            matrix.mistake_frame(),
            hide_index=True,
            height=360,
            column_config={
                "Photos": st.column_config.NumberColumn(width="small"),
                "Share of label": _percent_column(
                    "Of the photos that show it, how many got this wrong label"
                ),
            },
            alt="One row for each mix-up, the most frequent first",
        )


def show_label_table(matrix: ConfusionMatrix, key: str) -> None:
    """Show recall and precision by label, with a search field where labels are many."""
    search = ""
    if len(matrix.labels) > MAX_UNSEARCHED_LABELS:
        search = st.text_input(
            "Search the labels",
            placeholder="Search the labels",
            label_visibility="collapsed",
            icon=":material/search:",
            key=key,
        )
    table = matrix.label_frame(search)
    if table.empty:
        st.caption("No label matches.")
        return
    st.caption("Worst first. Tap a column header to sort.")
    st.space("small")
    st.dataframe(
        table,
        hide_index=True,
        height=min(36 * len(table) + 39, 430),
        column_config={
            "Label": st.column_config.TextColumn(pinned=True, width=96),
            "Recall": _percent_column(
                "Recall: of the photos that show it, how many got this label"
            ),
            "Photos": st.column_config.NumberColumn(width=70),
            "Correct": st.column_config.NumberColumn(width=70),
            "Interval": st.column_config.TextColumn(
                help="95% confidence interval of the recall: wide where there are few photos",
                width=120,
            ),
            "Precision": _percent_column(
                "Precision: of the photos given this label, how many show it"
            ),
            "Most confused with": st.column_config.TextColumn(width=180),
        },
        alt="One row for each label: recall, photos, precision, what it is confused with",
    )


def _percent_column(help: str) -> ColumnConfig:
    """Return the configuration of a column of bars from 0 to 100%."""
    # Streamlit writes shares (0 to 1) with two decimals, so the values are percentages.
    return st.column_config.ProgressColumn(
        help=help, format="%.0f%%", min_value=0, max_value=100, width=120
    )


def text_color() -> str:
    """Return the colour of a chart's text; the theme's axis labels are too pale."""
    return "#E7F0EE" if st.context.theme.type == "dark" else "#12211F"


def _draw_chart(matrix: ConfusionMatrix) -> None:
    cells = matrix.cell_frame()
    given = set(cells["predicted"])
    columns = [*matrix.rows, *(name for name in (OTHER, NONE) if name in given)]
    description = f"{matrix.correct.total()} of {matrix.photos} correct; " + "; ".join(
        f"{pair.label} called {pair.predicted or NONE}: {pair.count}"
        for pair in matrix.mistakes[:10]
    )
    spec = _chart_spec(
        tuple(matrix.rows), tuple(columns), accent_color(), accent_color(sure=False), text_color()
    )
    st.vega_lite_chart(cells, {**spec, "description": description}, width="stretch")


@lru_cache(maxsize=16)
def _chart_spec(
    rows: tuple[str, ...], columns: tuple[str, ...], correct: str, wrong: str, text: str
) -> dict[str, Any]:
    """Return the Vega-Lite specification without data: Altair takes 20 ms to build it."""
    many = len(columns) > 10
    base = alt.Chart(alt.NamedData("cells"), height=alt.Step(22 if many else 30)).encode(
        x=alt.X(
            "predicted:N",
            scale=alt.Scale(domain=columns),
            title="Predicted",
            axis=_axis(text, many=many, labelAngle=-90, orient="top"),
        ),
        y=alt.Y("label:N", scale=alt.Scale(domain=rows), title=None, axis=_axis(text, many=many)),
        tooltip=[
            alt.Tooltip("label:N", title="Actual"),
            alt.Tooltip("predicted:N", title="Predicted"),
            alt.Tooltip("count:Q", title="Photos"),
            alt.Tooltip("share:Q", title="Share of label", format=".0%"),
        ],
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color(
            "correct:N",
            scale=alt.Scale(domain=[True, False], range=[correct, wrong]),
            legend=None,
        ),
        opacity=alt.Opacity(
            "share:Q", scale=alt.Scale(domain=[0, 1], range=[0.15, 0.6]), legend=None
        ),
    )
    # On a phone with many labels a cell is narrower than its count, so only its colour is shown.
    opacity = alt.condition(f"bandwidth('x') >= {COUNT_WIDTH_PX}", alt.value(1), alt.value(0))
    counts = base.mark_text(fontSize=12, color=text).encode(text="count:Q", opacity=opacity)
    spec: dict[str, Any] = (cells + counts).configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec


def _axis(text: str, *, many: bool, **options: Any) -> alt.Axis:
    return alt.Axis(
        labelLimit=90 if many else 110,
        labelFontSize=11 if many else 12,
        labelColor=text,
        titleColor=text,
        labelOverlap=False,
        labelFlush=False,
        ticks=False,
        domain=False,
        **options,
    )
