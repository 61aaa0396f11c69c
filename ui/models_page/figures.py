"""How good a model is: the figures of its card, drawn once somebody opens them."""

from collections.abc import Callable

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from model import Bundle, LoupeError
from model.bundle.card import ModelCard
from model.bundle.manifest import Metric
from model.bundle.registry import get_bundle
from ui.models_page.charts import confusion_chart, reliability_chart
from ui.models_page.counts import (
    Counts,
    area,
    bin_sentence,
    confused_frame,
    exact,
    mistake_frame,
    score_rows,
)
from ui.models_page.photos import thumbnail
from ui.phrasing import escaped, percent, refusal, shorten

__all__ = ["figures", "interval"]

MOST_CELLS = 20
"""Labels up to which the confusion is a chart: more cannot be told apart on a phone."""

FEW = 12
"""Labels up to which nobody needs to search them."""

PICTURES = 12
TILE = 92
"""Pixels of a photo's side: three stand beside each other on a phone."""


@st.fragment
def figures(name: str) -> None:
    """All that held-out photos showed of the model of that name.

    A part of its own: opening it draws neither the other models nor, before, itself.
    """
    part = st.expander(
        "How good is it?", icon=":material/query_stats:", on_change="rerun", key=f"good-{name}"
    )
    if not part.open:
        return
    with part:
        try:
            bundle = get_bundle(name)
        except LoupeError as error:
            st.warning(refusal(error))
            return
        card = bundle.manifest.card
        if card is None:
            # The model was replaced while the page was open.
            st.caption("Not calibrated.")
            return
        parts = _parts(bundle, card)
        chosen = st.pills(
            "What to see",
            list(parts),
            default=next(iter(parts)),
            required=True,
            key=f"figure-{name}",
            label_visibility="collapsed",
        )
        parts[chosen if chosen in parts else next(iter(parts))](bundle, card)


def _parts(bundle: Bundle, card: ModelCard) -> dict[str, Callable[[Bundle, ModelCard], None]]:
    """What there is to see of a card."""
    confidence = bundle.manifest.confidence
    strangers = card.strangers or card.scores or (confidence and confidence.novelty is not None)
    return {
        "Mix-ups": _confusion,
        **({"Its percentages": _reliability} if card.reliability else {}),
        "Label by label": _labels,
        **({"None of these": _strangers} if strangers else {}),
        **({"Mistakes": _mistakes} if card.mistakes else {}),
        "How it was measured": _measured,
    }


def _confusion(bundle: Bundle, card: ModelCard) -> None:
    counts = Counts(card, bundle.labels)
    st.write(counts.sentence())
    if len(counts.present) <= MOST_CELLS:
        confusion_chart(counts)
        st.caption(
            "Each line is what the photos are, each column what it called them. Teal is right, "
            "amber is wrong."
        )
    elif counts.confused:
        _room()
        st.dataframe(
            confused_frame(counts),
            hide_index=True,
            height=360,
            column_config={
                "Photos": st.column_config.NumberColumn(width="small"),
                "Of its photos": _share("Of the photos of this label, how many were called so"),
            },
            alt="One row for each confusion, the most frequent first",
        )


def _reliability(bundle: Bundle, card: ModelCard) -> None:
    st.write(f"**{bin_sentence(card.reliability)}**")
    if card.before:
        st.write(f"Before it was calibrated: {_lower(bin_sentence(card.before))}")
    reliability_chart(card.reliability, card.before)
    st.caption(
        "On the dashed line a number means what it says. Below it the model is too sure of "
        "itself, above it not sure enough. The larger a point, the more photos."
    )
    manifest = bundle.manifest
    after, before = (
        manifest.metric("calibration_error"),
        manifest.metric("calibration_error_before"),
    )
    if after:
        former = f" Before it was calibrated: {percent(before.value)}." if before else ""
        st.write(
            f"**Calibration error {percent(after.value)}**: so far are its "
            f"numbers, on average, from how often it is right.{former}"
        )
    if covered := manifest.metric("coverage"):
        confidence = manifest.confidence
        aim = confidence and confidence.plausible and confidence.plausible.coverage
        st.write(
            f"**The right label is among those that it thinks plausible for "
            f"{percent(covered.value)}** of the photos ({interval(covered)})"
            + (f"; {percent(aim)} was aimed at." if aim else ".")
        )


def _labels(bundle: Bundle, card: ModelCard) -> None:
    counts = Counts(card, bundle.labels)
    search = ""
    if len(counts.present) > FEW:
        search = st.text_input(
            "Search the labels",
            placeholder="Search the labels",
            label_visibility="collapsed",
            icon=":material/search:",
            key=f"search-{bundle.name}",
        )
    table = counts.label_frame(search)
    if table.empty:
        st.caption("No label of the held-out photos has that in its name.")
        return
    st.caption("The worst come first; tap a column's head to sort by it.")
    _room()
    st.dataframe(
        table,
        hide_index=True,
        height=min(36 * len(table) + 39, 430),
        column_config={
            "Label": st.column_config.TextColumn(pinned=True, width=96),
            "Found": _share("Recall: of the photos of this label, how many were called so"),
            "Photos": st.column_config.NumberColumn(width=70),
            "Right": st.column_config.NumberColumn(width=70),
            "Interval": st.column_config.TextColumn(
                help="95% interval of what was found: wide where there are few photos", width=120
            ),
            "Right when said": _share("Precision: of the photos that were called so, how many are"),
            "Most confused with": st.column_config.TextColumn(width=180),
        },
        alt="One row for each label: photos, how many were right, what it is confused with",
    )


def _strangers(bundle: Bundle, card: ModelCard) -> None:
    confidence = bundle.manifest.confidence
    if kept := bundle.manifest.metric("kept"):
        st.write(
            f"**It keeps {percent(kept.value)}** of the photos of what it knows "
            f"({interval(kept)}); of the others it says “none of these”, and is wrong."
        )
    if not card.strangers:
        st.write("How often it lets in what it does not know, nobody has measured.")
    for one in card.strangers:
        if one.guessed:
            st.write(f"On *{escaped(shorten(one.name, 80))}* it is no better than guessing:")
        st.write(
            f"**It lets in {exact(one.let_in)}** of {one.photos:,} photos of "
            f"*{escaped(shorten(one.name, 80))}*, and names them as something they are not "
            f"({exact(one.low)} to {exact(one.high)}; AUROC {area(one.auroc)})."
        )
    if card.scores:
        st.write("Ways to tell what is strange that were compared:")
        st.table(score_rows(card), border="horizontal", hide_index=True)
    st.caption(
        "AUROC: how often a photo of something strange looks stranger to it than one of something "
        "that it knows. 1 is always, 0.5 a coin toss."
        + (
            f" “None of these” begins above {confidence.novelty:.4g} of "
            f"*{escaped(confidence.score or 'its score')}*."
            if confidence and confidence.novelty is not None
            else ""
        )
    )


def _mistakes(bundle: Bundle, card: ModelCard) -> None:
    st.write("Where it was wrong and most sure of itself:")
    worst = sorted(card.mistakes, key=lambda one: -one.probability)
    pictures = [(one, thumbnail(bundle.name, one.photo)) for one in worst[:PICTURES]]
    with st.container(horizontal=True, gap="xsmall"):
        for one, picture in pictures:
            if picture is None:
                continue
            label, said = (shorten(bundle.labels[index], 24) for index in (one.label, one.said))
            with st.container(width=TILE, gap="xsmall"):
                st.image(picture, alt=f"{label}, called {said}", width="stretch")
                st.caption(
                    f"{escaped(label)}, called **{escaped(said)}** ({percent(one.probability)})"
                )
    _room()
    st.dataframe(
        mistake_frame(card, bundle.labels),
        hide_index=True,
        height=min(36 * len(worst) + 39, 360),
        column_config={
            "It is": st.column_config.TextColumn(width=90),
            "It was called": st.column_config.TextColumn(width=105),
            "Probability": st.column_config.NumberColumn(
                help="How sure it was of what it called it", format="%.0f%%", width=90
            ),
            "Photo": st.column_config.TextColumn(width=200),
        },
        alt="One row for each mistake, the most confident first",
    )


def _measured(_: Bundle, card: ModelCard) -> None:
    st.write(
        f"On {card.photos:,} photos ({escaped(card.on)}). Temperature, plausible labels and "
        "“none of these” were fitted on other photos than those counted: "
        f"{card.folds} times over, each time with another part left out."
    )
    if card.notes:
        st.write("\n".join(f"- {escaped(note)}" for note in card.notes))
    st.write("The command" + (f", with seed {card.seed}:" if card.seed is not None else ":"))
    st.code(card.command or "not written down", language=None, wrap_lines=True)


def interval(metric: Metric) -> str:
    """'91.2% to 93.4% with 95% confidence'."""
    return f"{metric.low:.1%} to {metric.high:.1%} with 95% confidence"


def _room() -> None:
    """Room for a table's own buttons, which a phone shows above it."""
    st.space("small")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _share(help: str) -> ColumnConfig:
    # Of per cent, not of shares: those are always written with two decimals.
    return st.column_config.ProgressColumn(
        help=help, format="%.0f%%", min_value=0, max_value=100, width=120
    )
