"""A batch against its folders' names: how often the model was right. Nothing is drawn here."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from model.errors import DataError
from model.evaluation import Evaluation, Row, match, summarise
from ui.batch.job import Result

__all__ = ["confusion_chart", "confusion_frame", "label_frame", "measured", "unmatched"]

MOST = 20
ROOMY = 12
NONE, OTHER = "none of these", "another label"


def measured(results: Sequence[Result], labels: Sequence[str]) -> Evaluation | None:
    """The figures of the photos whose folder is named for a label; None without any.

    Raises:
        DataError: the model gives several labels to a photo.
    """
    found = _matched(results, labels)
    rows = [
        Row(result.name, found[result.folder], result.prediction)
        for result in results
        if result.prediction and result.folder in found
    ]
    return summarise(labels, rows) if rows else None


def unmatched(results: Sequence[Result], labels: Sequence[str]) -> list[str]:
    """Folders whose names fit no label."""
    found = _matched(results, labels)
    return [name for name in _folders(results) if name not in found]


def _folders(results: Sequence[Result]) -> list[str]:
    return sorted({result.folder for result in results if result.folder})


def _matched(results: Sequence[Result], labels: Sequence[str]) -> dict[str | None, str]:
    try:
        found = match(_folders(results), labels).found
    except DataError:
        return {}
    return dict(found.items())


def label_frame(evaluation: Evaluation) -> pd.DataFrame:
    """Labels that have photos, the worst first."""
    return pd.DataFrame(
        {
            "Label": score.label,
            "Photos": score.support,
            "Right": score.right,
            "Found": score.recall and score.recall.value,
            "Right when said": score.precision,
        }
        for score in evaluation.worst_first
    )


def confusion_frame(evaluation: Evaluation) -> pd.DataFrame:
    """Pairs of folder and answer, limited to the labels with the most photos."""
    kept = _kept(evaluation)
    pairs: Counter[tuple[str, str]] = Counter()
    for pair in evaluation.confusion:
        if pair.label in kept:
            said = pair.predicted
            pairs[pair.label, NONE if said is None else said if said in kept else OTHER] += (
                pair.count
            )
    totals: Counter[str] = Counter()
    for (label, _), count in pairs.items():
        totals[label] += count
    return pd.DataFrame(
        {
            "label": label,
            "said": said,
            "count": count,
            "share": count / totals[label],
            "right": label == said,
        }
        for (label, said), count in pairs.items()
    )


def _kept(evaluation: Evaluation) -> list[str]:
    present = [score for score in evaluation.labels if score.support]
    present.sort(key=lambda score: -score.support)
    kept = {score.label for score in present[:MOST]}
    return [score.label for score in evaluation.labels if score.label in kept]


def confusion_chart(evaluation: Evaluation, right: str, wrong: str, text: str) -> alt.LayerChart:
    """Folders down, answers across; the fuller the colour, the more of the folder's photos."""
    data, kept = confusion_frame(evaluation), _kept(evaluation)
    across = [*kept, *[one for one in (OTHER, NONE) if one in set(data["said"])]]
    many = len(across) > ROOMY
    base = alt.Chart(data, height=alt.Step(20 if many else 28)).encode(
        x=alt.X(
            "said:N",
            sort=across,
            scale=alt.Scale(domain=across),
            title="The model says",
            axis=_axis(many, labelAngle=-90),
        ),
        y=alt.Y(
            "label:N",
            sort=kept,
            scale=alt.Scale(domain=kept),
            title=None,
            axis=_axis(many),
        ),
        tooltip=[
            alt.Tooltip("label:N", title="Folder"),
            alt.Tooltip("said:N", title="The model says"),
            alt.Tooltip("count:Q", title="Photos"),
            alt.Tooltip("share:Q", title="Of this folder", format=".0%"),
        ],
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color(
            "right:N", scale=alt.Scale(domain=[True, False], range=[right, wrong]), legend=None
        ),
        opacity=alt.Opacity(
            "share:Q", scale=alt.Scale(domain=[0, 1], range=[0.12, 0.6]), legend=None
        ),
    )
    # Where cells are small on a phone, their colour speaks alone.
    counts = base.mark_text(opacity=0 if many else 1, fontSize=12, color=text).encode(
        text="count:Q"
    )
    said = f"{evaluation.answered.right} of {evaluation.photos} right; " + "; ".join(
        f"{pair.label} taken for {pair.predicted or NONE}: {pair.count}"
        for pair in evaluation.mistakes[:10]
    )
    chart: alt.LayerChart = (cells + counts).properties(description=said)
    chart.config = alt.Config(view=alt.ViewConfig(stroke=None))
    return chart


def _axis(many: bool, **more: Any) -> alt.Axis:
    return alt.Axis(
        labelLimit=90 if many else 110,
        labelFontSize=10 if many else 12,
        labelOverlap=False,
        labelFlush=False,
        ticks=False,
        domain=False,
        **more,
    )
