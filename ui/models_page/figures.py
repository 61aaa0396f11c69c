"""The figures of a model's card on how good it is, drawn once the visitor opens them."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pandas as pd
import streamlit as st
from PIL import ImageOps

from model import Bundle, LoupeError
from model.bundle import (
    Metric,
    Mistake,
    ModelCard,
    OodResult,
    get_bundle,
    named_ood_sets,
    read_small_card,
)
from model.storage.spreadsheet import escape_formula
from model.text import format_size
from ui.confusion import ConfusionMatrix, show_confusion, show_label_table
from ui.models_page.mistake_photos import mistake_photo
from ui.models_page.reliability import describe_typical_bin, draw_reliability
from ui.models_page.section import show_section
from ui.phrasing import (
    escape_markdown,
    format_percent,
    join_words,
    percent_range,
    shorten,
)

__all__ = [
    "describe_mix_ups",
    "describe_turned_away",
    "detector_rows",
    "format_auroc",
    "format_interval",
    "mistakes_frame",
    "show_figures",
]

MAX_PICTURES = 12
TILE_PX = 92
"""Side of a photo's tile, in pixels: three fit beside each other on a phone."""

Figure = Callable[[Bundle, ModelCard], None]


def show_figures(name: str) -> None:
    """Show how the model of that name did on held-out photos, once the visitor opens it."""
    show_section("How good is it?", ":material/query_stats:", f"good-{name}", partial(_draw, name))


def _draw(name: str) -> None:
    bundle = get_bundle(name)
    card = bundle.manifest.card
    if card is None:
        # The model was replaced while the page was open.
        st.caption("Not calibrated.")
        return
    figures = _figures(bundle, card)
    title = st.pills(
        "Figure",
        list(figures),
        default="Mix-ups",
        required=True,
        key=f"figure-{name}",
        label_visibility="collapsed",
    )
    figures.get(title, _show_mix_ups)(bundle, card)


def _figures(bundle: Bundle, card: ModelCard) -> dict[str, Figure]:
    """Return the figures that a card has, by title."""
    calibration = bundle.manifest.calibration
    can_reject = (
        card.ood_sets or card.detectors or (calibration and calibration.ood_threshold is not None)
    )
    figures: list[tuple[str, Figure, object]] = [
        ("Mix-ups", _show_mix_ups, True),
        ("Calibration", _show_calibration, card.reliability),
        ("By label", _show_labels, True),
        ("None of these", _show_none_of_these, can_reject),
        ("Mistakes", _show_mistakes, card.mistakes),
        ("Method", _show_method, True),
    ]
    return {title: show for title, show, is_known in figures if is_known}


def _show_mix_ups(bundle: Bundle, card: ModelCard) -> None:
    matrix = ConfusionMatrix.from_card(card, bundle.labels)
    st.write(describe_mix_ups(matrix))
    if sentence := describe_turned_away(bundle):
        st.caption(sentence)
    show_confusion(matrix)


def describe_turned_away(bundle: Bundle) -> str:
    """Return a sentence on the photos of known things that were called “none of these”.

    Empty if that was not measured on the same photos. Whether the top label of such a photo is the
    right one isn't recorded for older models: only a lower bound of the photos right as shown is.
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


def _show_calibration(bundle: Bundle, card: ModelCard) -> None:
    manifest = bundle.manifest
    st.write(f"**{describe_typical_bin(card.reliability)}**")
    if card.reliability_uncalibrated:
        example = describe_typical_bin(card.reliability_uncalibrated)
        st.write(f"Before calibration: {example[:1].lower()}{example[1:]}")
    draw_reliability(card.reliability, card.reliability_uncalibrated)
    st.caption(
        "On the dashed line, confidence matches accuracy. Below it the model is overconfident, "
        "above it underconfident. Larger points stand for more photos."
    )
    if error := manifest.metric("calibration_error"):
        before = manifest.metric("calibration_error_before")
        st.write(
            f"**Calibration error {format_percent(error.value)}**{_interval_of(error)}: on "
            "average, its stated confidence is this far from its actual accuracy."
            + (f" Before calibration: {format_percent(before.value)}." if before else "")
        )
    if coverage := manifest.metric("coverage"):
        rule = manifest.calibration and manifest.calibration.prediction_set
        target = f"; target {format_percent(rule.coverage)}" if rule else ""
        st.write(
            f"**For {format_percent(coverage.value)} of photos, the right label is among its "
            f"plausible ones** ({format_interval(coverage)}{target})."
        )


def _interval_of(metric: Metric) -> str:
    """Return an interval in brackets; empty if it wasn't measured."""
    return f" ({format_interval(metric)})" if metric.low < metric.high else ""


def _show_labels(bundle: Bundle, card: ModelCard) -> None:
    show_label_table(ConfusionMatrix.from_card(card, bundle.labels))


def _show_none_of_these(bundle: Bundle, card: ModelCard) -> None:
    calibration = bundle.manifest.calibration
    if accepted := bundle.manifest.metric("kept"):
        st.write(
            f"**It accepts {format_percent(accepted.value)}** of photos of things it knows "
            f"({format_interval(accepted)}). The rest it wrongly calls “none of these”."
        )
    if not card.ood_sets:
        st.write("Not yet tested on photos of things it doesn't know.")
    for result in named_ood_sets(bundle):
        st.write(_describe_ood(result))
    if card.detectors:
        st.write("Detection methods compared:")
        st.table(detector_rows(card), border="horizontal", hide_index=True)
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


def detector_rows(card: ModelCard) -> list[dict[str, str]]:
    """Return the compared detection methods as Markdown, the best first."""
    return [
        {
            "Method": f"**{escape_markdown(score.name)}** (used)"
            if score.selected
            else escape_markdown(score.name),
            "AUROC": format_auroc(score.auroc),
            "False accepts": format_percent(score.ood_accept_rate)
            if score.ood_accept_rate
            else "0%",
            "Size": format_size(score.bytes) if score.bytes else "none",
        }
        for score in sorted(card.detectors, key=lambda score: -score.auroc)
    ]


def format_auroc(auroc: float) -> str:
    """Return an AUROC with three digits; only a perfect one is 1.000."""
    return f"{auroc if auroc == 1 else min(auroc, 0.999):.3f}"


def _show_mistakes(bundle: Bundle, card: ModelCard) -> None:
    st.write("Its most confident mistakes:")
    worst = _worst_mistakes(card)
    with st.container(horizontal=True, gap="xsmall"):
        for mistake in worst[:MAX_PICTURES]:
            _show_mistake(bundle, mistake)
    # On a phone, a table's toolbar needs room above it.
    st.space("small")
    st.dataframe(
        mistakes_frame(card, bundle.labels),
        hide_index=True,
        height=min(36 * len(worst) + 39, 360),
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


def _show_mistake(bundle: Bundle, mistake: Mistake) -> None:
    photo = None
    # A photo that can't be read is left out.
    with suppress(LoupeError):
        photo = mistake_photo(bundle.name, mistake.photo, side=TILE_PX)
    if photo is None:
        return
    label, predicted = (
        shorten(bundle.labels[index], 24) for index in (mistake.label, mistake.predicted)
    )
    with st.container(width=TILE_PX, gap="xsmall"):
        square = ImageOps.fit(photo.image, (2 * TILE_PX, 2 * TILE_PX))
        st.image(square, alt=f"{label}, called {predicted}", width="stretch")
        st.caption(
            f"{escape_markdown(label)}, called **{escape_markdown(predicted)}** "
            f"({format_percent(mistake.probability)})"
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
        for mistake in _worst_mistakes(card)
    )


def _worst_mistakes(card: ModelCard) -> list[Mistake]:
    return sorted(card.mistakes, key=lambda mistake: -mistake.probability)


def _show_method(_: Bundle, card: ModelCard) -> None:
    st.write(
        f"On {card.photos:,} photos ({escape_markdown(card.on)}). Measured with {card.folds}-fold "
        "cross-validation: temperature, plausible labels and the “none of these” threshold are "
        "never fitted on the photos they are scored on."
    )
    if card.notes:
        st.write("\n".join(f"- {escape_markdown(note)}" for note in card.notes))
    st.write("The command" + (f", with seed {card.seed}:" if card.seed is not None else ":"))
    st.code(card.command or "not recorded", language=None, wrap_lines=True)


def format_interval(metric: Metric) -> str:
    """Return '95% CI 91.5–96.4%'."""
    return f"95% CI {percent_range(metric.low, metric.high, digits=1)}"
