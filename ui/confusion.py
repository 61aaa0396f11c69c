"""The confusion of labels as a chart and a table, for a batch and for a model's card."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from model.bundle import ModelCard
from model.evaluation import Confused, LabelScore, label_scores
from model.storage.zips import escape_formula
from ui.charts import INK, accent_color
from ui.phrasing import join_words, percent_range, short

MAX_CHART_LABELS = 12
"""Maximum number of labels in the chart: on a phone, the counts of more wouldn't fit."""

NONE, OTHER = "none of these", "another label"


class ConfusionMatrix:
    """Photos by their true label and the label that a model gave them.

    Args:
        pairs: every pair that occurred, once.
        labels: all labels of the model, in its order.

    Attributes:
        mistakes: the wrong pairs, the most frequent first.
        scores: the labels that have photos or were given to one, in the model's order.
        support: number of photos of each label that has any, in the model's order.
    """

    def __init__(self, pairs: Iterable[Confused], labels: Sequence[str]) -> None:
        self.pairs = sorted(pairs, key=lambda pair: -pair.count)
        self.mistakes = [pair for pair in self.pairs if pair.label != pair.predicted]
        self.scores = label_scores(self.pairs, labels)
        self.support = {score.label: score.support for score in self.scores if score.support}
        self.photos = sum(self.support.values())
        self.correct = sum(score.right for score in self.scores)

    @classmethod
    def from_card(cls, card: ModelCard, labels: Sequence[str]) -> "ConfusionMatrix":
        """Return the confusion of held-out photos from a model's card."""
        pairs = (Confused(labels[true], labels[given], n) for true, given, n in card.confusion)
        return cls(pairs, labels)

    def label_frame(self) -> pd.DataFrame:
        """Return a row for each label, the worst recall first."""
        mistaken_for = {pair.label: pair for pair in reversed(self.mistakes)}
        # Labels without a photo come last.
        scores = sorted(
            self.scores,
            key=lambda score: (score.recall.value if score.recall else 2, -score.support),
        )
        return pd.DataFrame(_label_row(score, mistaken_for.get(score.label)) for score in scores)

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
            given = pair.predicted or NONE
            cells[pair.label, given if given in {*self.support, NONE} else OTHER] += pair.count
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


def _label_row(score: LabelScore, mistaken_for: Confused | None) -> dict[str, object]:
    recall, confused_with = score.recall, ""
    if mistaken_for:
        confused_with = f"{mistaken_for.predicted or NONE} ({mistaken_for.count:,})"
    return {
        "Label": escape_formula(score.label),
        "Recall": recall and 100 * recall.value,
        "Photos": score.support,
        "Correct": score.right,
        "Interval": percent_range(recall.low, recall.high) if recall else "",
        "Precision": None if score.precision is None else 100 * score.precision,
        "Most confused with": escape_formula(confused_with),
    }


def show_confusion(matrix: ConfusionMatrix, rows: str = "the true labels") -> None:
    """Draw the confusion as a chart, whose ``rows`` are named, or list that of many labels."""
    if len(matrix.support) <= MAX_CHART_LABELS:
        st.altair_chart(_chart(matrix), width="stretch")
        st.caption(f"Rows are {rows}, columns the model’s answers; those in amber are wrong.")
    elif matrix.mistakes:
        # On a phone, a table's toolbar needs room above it.
        st.space("small")
        st.dataframe(
            matrix.mistake_frame(),
            hide_index=True,
            height=360,
            column_config={
                "Share of label": _percent_column(
                    "Of the photos that show it, how many got this wrong label"
                )
            },
            alt="One row for each mix-up, the most frequent first",
        )


def describe_mix_ups(matrix: ConfusionMatrix, limit: int = 3) -> str:
    """Return how many photos are correct and the most common mix-ups, as Markdown."""
    correct = f"**{matrix.correct:,} of {matrix.photos:,} photos correct.**"
    pairs = [
        f"{short(pair.label)} called {short(pair.predicted or '')} ({pair.count:,})"
        for pair in matrix.mistakes[:limit]
    ]
    return f"{correct} Most common mix-ups: {join_words(pairs)}." if pairs else correct


def show_label_table(matrix: ConfusionMatrix) -> None:
    """Show recall and precision by label, the worst first."""
    table = matrix.label_frame()
    st.caption("Worst first. Tap a column header to sort; the table’s toolbar has a search.")
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
            **dict.fromkeys(("Photos", "Correct"), st.column_config.NumberColumn(width=70)),
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


def show_mistakes(card: ModelCard, labels: tuple[str, ...]) -> None:
    """Show the wrong answers in a table, the most confident first."""
    st.write("Its most confident mistakes:")
    # On a phone, a table's toolbar needs room above it.
    st.space("small")
    st.dataframe(
        mistakes_frame(card, labels),
        hide_index=True,
        height=min(36 * len(card.mistakes) + 39, 360),
        column_config={
            "Actual": st.column_config.TextColumn(width=90),
            "Predicted": st.column_config.TextColumn(width=105),
            "Confidence": st.column_config.NumberColumn(
                help="Its confidence in the wrong answer", format="%.0f%%", width=90
            ),
            "Photo": st.column_config.TextColumn(width=200),
        },
        alt="One row for each mistake, the most confident first",
    )


def mistakes_frame(card: ModelCard, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return the wrong answers, the most confident first."""
    return pd.DataFrame(
        {
            "Actual": escape_formula(labels[mistake.label]),
            "Predicted": escape_formula(labels[mistake.predicted]),
            "Confidence": 100 * mistake.probability,
            "Photo": escape_formula(PurePath(mistake.photo).name),
        }
        for mistake in sorted(card.mistakes, key=lambda mistake: -mistake.probability)
    )


def _percent_column(help: str) -> ColumnConfig:
    # Streamlit writes shares (0 to 1) with two decimals, so the values are percentages.
    return st.column_config.ProgressColumn(
        help=help, format="%.0f%%", min_value=0, max_value=100, width=120
    )


def _chart(matrix: ConfusionMatrix) -> alt.LayerChart:
    frame, text = matrix.cell_frame(), INK
    given = set(frame["predicted"])
    columns = [*matrix.support, *(name for name in (OTHER, NONE) if name in given)]
    axis: dict[str, Any] = {
        "labelLimit": 100,
        "labelFontSize": 12,
        "labelColor": text,
        "titleColor": text,
        "labelOverlap": False,
        "ticks": False,
        "domain": False,
    }
    photos = alt.Tooltip("count:Q", title="photos")
    share = alt.Tooltip("share:Q", title="share of label", format=".0%")
    base = alt.Chart(frame, height=alt.Step(28)).encode(
        x=alt.X("predicted:N", title="Predicted")
        .scale(domain=columns)
        .axis(**axis, labelAngle=-90, orient="top"),
        y=alt.Y("label:N", title=None).scale(domain=list(matrix.support)).axis(**axis),
        tooltip=["label:N", "predicted:N", photos, share],
    )
    colors = [accent_color(), accent_color(sure=False)]
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("correct:N", legend=None).scale(domain=[True, False], range=colors),
        opacity=alt.Opacity("share:Q", legend=None).scale(domain=[0, 1], range=[0.15, 0.6]),
    )
    counts = base.mark_text(fontSize=12, color=text).encode(text="count:Q")
    mistakes = "; ".join(
        f"{pair.label} called {pair.predicted or NONE}: {pair.count}"
        for pair in matrix.mistakes[:10]
    )
    description = f"{matrix.correct} of {matrix.photos} correct; {mistakes}"
    layers: alt.LayerChart = (cells + counts).configure_view(stroke=None)
    return layers.properties(description=description)
