"""The figures of a model's card on how good it is, drawn once the visitor opens them."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from model import Bundle, LoupeError
from model.bundle import (
    Metric,
    ModelCard,
    OodResult,
    SmallCard,
    get_bundle,
    named_ood_sets,
    read_small_card,
)
from model.storage.spreadsheet import escape_formula
from ui.confusion import ConfusionMatrix, show_confusion, show_label_table
from ui.models_page.reliability import describe_interval, format_interval, show_calibration
from ui.phrasing import (
    escape_markdown,
    format_percent,
    join_words,
    percent_range,
    phrase_error,
    shorten,
)

METRIC_TITLES = {
    "accuracy": "Accuracy",
    "top5": "Top-5 accuracy",
    "coverage": "Prediction-set coverage",
    "calibration_error": "Calibration error",
    "calibration_error_before": "Calibration error before calibration",
    "kept": "Known photos accepted",
    "shown": "Right as shown",
}


@st.fragment
def show_section(title: str, icon: str, key: str, draw: Callable[[], None]) -> None:
    """Show an expander, closed at first; opening it draws nothing else of the page again.

    Args:
        title: the expander's title.
        icon: its icon.
        key: the widget's key.
        draw: draws what is in it; a ``LoupeError`` is shown instead.
    """
    expander = st.expander(title, icon=icon, on_change="rerun", key=key)
    if not expander.open:
        return
    with expander:
        try:
            draw()
        except LoupeError as error:
            st.warning(phrase_error(error))


def show_figures(bundle: Bundle) -> None:
    """Show how a model did on held-out photos, if it was measured, once the visitor opens it."""
    name = bundle.name
    if bundle.manifest.card or read_small_card(bundle):
        draw = partial(_draw, name)
        show_section("How good is it?", ":material/query_stats:", f"good-{name}", draw)


def _draw(name: str) -> None:
    figures = _figures(get_bundle(name))
    if not figures:
        # The model was replaced while the page was open.
        st.caption("Not measured.")
        return
    title = st.pills(
        "Figure",
        list(figures),
        default=next(iter(figures)),
        required=True,
        key=f"figure-{name}",
        label_visibility="collapsed",
    )
    figures.get(title, next(iter(figures.values())))()


def _figures(bundle: Bundle) -> dict[str, Callable[[], None]]:
    """Return what draws each figure that was measured, by title."""
    card, small = bundle.manifest.card, read_small_card(bundle)
    figures: dict[str, Callable[[], None]] = {}
    if card:
        calibration = bundle.manifest.calibration
        matrix = ConfusionMatrix.from_card(card, bundle.labels)
        figures["Mix-ups"] = partial(_show_mix_ups, matrix)
        if card.reliability:
            figures["Calibration"] = partial(show_calibration, bundle.manifest, card)
        figures["By label"] = partial(show_label_table, matrix)
        if card.ood_sets or (calibration and calibration.ood_threshold is not None):
            figures["None of these"] = partial(_show_none_of_these, bundle)
        if card.mistakes:
            figures["Mistakes"] = partial(_show_mistakes, card, bundle.labels)
        figures["Method"] = partial(_show_method, card)
    if small:
        figures["In browsers"] = partial(_show_small_graph, bundle, small)
    return figures


def _show_mix_ups(matrix: ConfusionMatrix) -> None:
    st.write(describe_mix_ups(matrix))
    show_confusion(matrix)


def describe_turned_away(bundle: Bundle) -> str:
    """Return a sentence on the photos of known things that were called “none of these”.

    Empty if that was not measured on the same photos. Whether the top label of such a photo is the
    right one isn't recorded of older models: only the least that are right as shown is known.
    """
    accuracy, accepted = (bundle.manifest.metric(name) for name in ("accuracy", "kept"))
    if accuracy is None or accepted is None or accuracy.photos != accepted.photos:
        return ""
    photos = accuracy.photos
    rejected = photos - round(accepted.value * photos)
    if not rejected:
        return ""
    small = read_small_card(bundle)
    if shown := small.full_metric("shown") if small else None:
        result = f"{round(shown.value * photos):,} ({shown.value:.1%}; {format_interval(shown)})"
    else:
        lowest = max(0, round(accuracy.value * photos) - rejected)
        result = f"at least {lowest:,} ({lowest / photos:.1%})"
    return (
        f"That counts the top label. {rejected:,} of the {photos:,} photos "
        f"{'is' if rejected == 1 else 'are'} wrongly called “none of these”, so {result} are right "
        "as shown."
    )


def describe_mix_ups(matrix: ConfusionMatrix, limit: int = 3) -> str:
    """Return how many photos are correct and the most common mix-ups, as Markdown."""
    correct = f"**{matrix.correct:,} of {matrix.photos:,} photos correct.**"
    pairs = [
        f"{_name(pair.label)} called {_name(pair.predicted or '')} ({pair.count:,})"
        for pair in matrix.mistakes[:limit]
    ]
    return f"{correct} Most common mix-ups: {join_words(pairs)}." if pairs else correct


def _name(text: str, max_length: int = 40) -> str:
    return escape_markdown(shorten(text, max_length))


def _show_none_of_these(bundle: Bundle) -> None:
    calibration, ood_sets = bundle.manifest.calibration, named_ood_sets(bundle)
    if accepted := bundle.manifest.metric("kept"):
        st.write(
            f"**It accepts {format_percent(accepted.value)}** of photos of things it knows "
            f"({format_interval(accepted)}). The rest it wrongly calls “none of these”."
        )
    if not ood_sets:
        st.write("Not yet tested on photos of things it doesn't know.")
    for result in ood_sets:
        st.write(_describe_ood(result))
    threshold = (
        f" “None of these” starts above {calibration.ood_threshold:.4g} "
        f"(*{escape_markdown(calibration.ood_detector or 'score')}*)."
        if calibration and calibration.ood_threshold is not None
        else ""
    )
    st.caption(
        "AUROC: the chance that an unfamiliar photo scores higher than a familiar one. "
        f"1 is perfect, 0.5 is a coin toss.{threshold}"
    )


def _describe_ood(result: OodResult) -> str:
    """Return how often photos of other things get a label, as Markdown."""
    name = f"*{_name(result.name, 80)}*"
    warning = f"On {name} it is no better than guessing. " if result.near_chance else ""
    rate = result.ood_accept_rate
    mistaken = " and gives them a wrong label" if rate else ""
    share = format_percent(rate) if rate else "none"
    interval = percent_range(result.low, result.high)
    return (
        f"{warning}**It accepts {share}** of the {result.photos:,} "
        f"{name}{mistaken} ({interval}; AUROC {format_auroc(result.auroc)})."
    )


def format_auroc(auroc: float) -> str:
    """Return an AUROC with three digits; only a perfect one is 1.000."""
    return f"{auroc if auroc == 1 else min(auroc, 0.999):.3f}"


def _show_mistakes(card: ModelCard, labels: tuple[str, ...]) -> None:
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
            "Photo": escape_formula(mistake.photo.rpartition("/")[2]),
        }
        for mistake in sorted(card.mistakes, key=lambda mistake: -mistake.probability)
    )


def _show_method(card: ModelCard) -> None:
    st.write(
        f"On {card.photos:,} photos ({escape_markdown(card.on)}). Measured with {card.folds}-fold "
        "cross-validation: temperature, plausible labels and the “none of these” threshold are "
        "never fitted on the photos they are scored on."
    )
    if card.notes:
        st.write("\n".join(f"- {escape_markdown(note)}" for note in card.notes))
    st.write("The command" + (f", with seed {card.seed}:" if card.seed is not None else ":"))
    st.code(card.command or "not recorded", language=None, wrap_lines=True)


def _show_small_graph(bundle: Bundle, small: SmallCard) -> None:
    st.write("A visitor's own device runs the small graph: the same network with 8-bit weights.")
    st.table(graph_rows(bundle, small), border="horizontal", hide_index=True)
    for row in small.agreement:
        alike = "" if row.known is None else f", “none of these” alike on **{row.known:,}**"
        st.write(
            f"*{_name(row.name, 80)}*: same top label on "
            f"**{row.top_label:,} of {row.photos:,}**{alike}."
        )
    if metric := small.metric("accuracy"):
        on, by = (escape_markdown(text) for text in (metric.on, metric.by))
        st.caption(f"{metric.photos:,} photos: {on} ({by}).")


def graph_rows(bundle: Bundle, small: SmallCard) -> list[dict[str, str]]:
    """Return one row for each figure that was measured of both graphs."""
    rows = {
        title: (_with_interval(full), _with_interval(own))
        for name, title in METRIC_TITLES.items()
        if (full := small.full_metric(name)) and (own := small.metric(name))
    }
    full_rates = {result.name: result.ood_accept_rate for result in named_ood_sets(bundle)}
    for result in small.card.ood_sets if small.card else ():
        if result.name in full_rates:
            rates = full_rates[result.name], result.ood_accept_rate
            rows[f"Accepted of *{_name(result.name, 80)}*"] = (
                format_percent(rates[0]),
                format_percent(rates[1]),
            )
    return [
        {"": title, "Full graph": full, "Small graph": own} for title, (full, own) in rows.items()
    ]


def _with_interval(metric: Metric) -> str:
    return f"{metric.value:.1%}{describe_interval(metric)}"
