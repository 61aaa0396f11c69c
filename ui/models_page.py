"""A model's card: what it knows, how often it is right, what it misses; the rest is folded."""

from collections.abc import Iterable
from html import escape

import streamlit as st

from model import Bundle
from model.answer.phrases import promised_rejections, recordings_record
from model.bundle import Metric, named_ood_sets, read_samples, read_small_card
from model.bundle.registry import store_pending
from model.errors import BundleError
from model.model_store import store_follower
from ui.charts import accent_color
from ui.model_figures import name_sets, show_figures
from ui.navigation import get_page
from ui.phrasing import (
    escape_markdown,
    join_words,
    phrase_error,
    short,
    spell_number,
    to_markdown,
    typographic,
)
from ui.reliability import draw_accuracy

MAX_LISTED = 12
"""Most labels that are listed; a model with more is described."""


def find_axis_start(bundles: Iterable[Bundle]) -> float:
    """Return the lower end of an axis for the accuracies of all models: 0, 0.2, 0.4 or 0.6."""
    metrics = (bundle.manifest.metric("accuracy") for bundle in bundles)
    lowest = min((metric.low for metric in metrics if metric), default=1.0)
    return min(0.6, 0.2 * int(5 * lowest))


def show_card(bundle: Bundle, *, is_chosen: bool, axis_start: float) -> None:
    """Show what a model knows, how often it is right and what it doesn't notice.

    ``is_chosen`` if it answers this visitor's photos. All models have one axis of accuracies.
    """
    manifest = bundle.manifest
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(escape_markdown(manifest.title), anchor=False, width="content")
            if is_chosen:
                st.badge("In use", icon=":material/check:", color="green")
        knows, right, unnoticed = st.columns(3, gap="medium")
        with knows, st.container(gap="xsmall"):
            _show_labels(bundle)
        with right, st.container(gap="xsmall"):
            _show_accuracy(bundle, axis_start)
        with unnoticed:
            _show_blind_spots(bundle)
            st.page_link(
                get_page("identify"),
                label="Point it at something" if is_chosen else "Try this model",
                icon=":material/photo_camera:",
                query_params={"model": bundle.name},
                width="stretch",
            )
        show_figures(bundle)


def show_store_problems() -> None:
    """Show that published versions couldn't be downloaded or verified, if there are any."""
    follower = store_follower()
    if follower and (codes := {problem["code"] for problem in follower.report()}):
        kept = "No model answers yet" if store_pending.is_set() else "Previous versions stay in use"
        st.warning(
            f"This app couldn’t update from the model store ({join_words(sorted(codes))}). {kept}. "
            "The app’s log says why."
        )


def show_unusable_card(name: str, error: BundleError) -> None:
    """Show a model that can't be used, and what its owner can do."""
    with st.container(border=True):
        st.subheader(escape_markdown(name), anchor=False)
        st.warning(phrase_error(error), icon=":material/block:")


def _show_labels(bundle: Bundle) -> None:
    st.markdown("**What it knows**")
    pictures = [sample for sample in read_samples(bundle) if sample.entry.label]
    shown = [sample.entry.label or "" for sample in pictures]
    with st.container(horizontal=True, gap="xsmall"):
        for sample, label in zip(pictures, shown, strict=True):
            # Four are side by side on a phone.
            st.image(sample.thumbnail, caption=short(label), alt=sample.entry.alt, width=72)
    # Joiners keep a label's hyphen from ending a line.
    names = [short(label).replace("-", "-\u2060") for label in bundle.labels if label not in shown]
    and_more = "And " if pictures else ""
    if len(names) <= MAX_LISTED:
        if names:
            text = f"{and_more}{join_words(names)}"
            st.write(text[:1].upper() + text[1:])
    else:
        more = f"{and_more}{len(names):,} {'more' if pictures else 'things'}"
        st.write(f"{more}. {escape_markdown(typographic(bundle.manifest.description))}")
    if not pictures:
        st.caption("This model has no pictures.")


def _show_accuracy(bundle: Bundle, axis_start: float) -> None:
    manifest = bundle.manifest
    st.markdown("**How often it is right**")
    accuracy = manifest.metric("accuracy")
    if accuracy is None and manifest.is_taught:
        st.markdown("#### Can’t be known yet")
        st.caption("One label was recorded only once. Record every label in at least two places.")
        return
    if accuracy is None:
        st.markdown("#### Not measured")
        if manifest.multilabel:
            st.caption("Models with several labels per photo can’t be measured yet.")
        else:
            st.caption("It came without photos to test it on. Its owner can measure it:")
            command = f"python -m model calibrate {manifest.name} FOLDER"
            st.code(command, language=None, wrap_lines=True)
        return
    if accuracy.unit:
        st.markdown(f"{to_markdown(recordings_record(accuracy))}.")
        draw_accuracy(accuracy, axis_start)
        return
    share = round(100 * accuracy.value)
    if 0 < accuracy.value < 1:
        share = min(99, max(1, share))
    st.markdown(f"#### About {share} of 100 photos")
    draw_accuracy(accuracy, axis_start)
    if accuracy.is_published:
        st.caption(f"{accuracy.photos:,} photos, measured by its authors, not by Loupe.")
    else:
        st.caption(_describe_count(bundle, accuracy))


def _describe_count(bundle: Bundle, accuracy: Metric) -> str:
    """Return the photos that an accuracy counts, with its reservations, as Markdown."""
    accepted, small = bundle.manifest.metric("kept"), read_small_card(bundle)
    text = f"{accuracy.successes:,} of {accuracy.photos:,} photos in testing."
    if accepted and accepted.photos == accuracy.photos and accepted.value < 1:
        rejected = accepted.photos - accepted.successes
        text += f" That counts the likeliest label; it calls {rejected:,} of them “none of these”"
        if own := small.metric("kept") if small and small.card else None:
            other = own.photos - own.successes
            text += f" ({other:,} with a device’s small graph, whose weights have 8 bits)"
        text += "."
        if shown := small.full_metric("shown") if small else None:
            text += f" {shown.successes:,} are correct as displayed."
    reservation = accuracy.by.partition("; ")[2]
    if "epoch" in reservation:
        return f"{text} Slightly optimistic: the same photos decided when training stopped."
    end = "." if reservation else ""
    return f"{text} {escape_markdown(reservation[:1].upper() + reservation[1:])}{end}".strip()


def _show_blind_spots(bundle: Bundle) -> None:
    # No element of Streamlit has an edge in a colour of its own.
    st.html(
        f'<div style="border-left: 4px solid {accent_color(sure=False)}; padding-left: 12px">'
        f"<strong>What it doesn’t notice</strong><p>{escape(_describe_blind_spots(bundle))}</p>"
        "</div>"
    )


def _describe_blind_spots(bundle: Bundle) -> str:
    """Return what a model takes for something it knows, as plain text."""
    manifest = bundle.manifest
    calibration, card = manifest.calibration, manifest.card
    if manifest.multilabel:
        named = f"It names each label with a probability of at least {manifest.present_from:.1%}"
        several = "models with several labels per photo can’t be calibrated"
        return f"How unsure it is. {named}; {several}."
    if calibration is None or calibration.ood_threshold is None:
        always = "That it doesn’t know. It always names something and can’t say “none of these”."
        if calibration is None:
            return f"{always} Its percentages aren’t calibrated."
        estimated = " Its percentages are estimated, since no photos here are surely new to it."
        return f"{always}{estimated if manifest.is_estimated else ''}"
    if manifest.is_taught:
        promised = promised_rejections(calibration)
        also = f" It may call {promised} things it knows “none of these”." if promised else ""
        return f"Things that look like these often get one of these names.{also}"
    if card is None or not card.ood_sets:
        return "Not measured: nobody has tried it on photos of other things."
    return _describe_accepted(bundle, f"one of its {spell_number(len(manifest.labels))} labels")


def _describe_accepted(bundle: Bundle, label: str) -> str:
    """Return how many photos of other things get a label, the most accepted set first."""
    names, sentences = name_sets(bundle), list[str]()
    for result in sorted(named_ood_sets(bundle), key=lambda result: -result.ood_accept_rate):
        accepted = round(result.ood_accept_rate * result.photos)
        given = f"{accepted:,} of {result.photos:,}" if accepted else f"none of {result.photos:,}"
        end = f"photos got {label}" if not sentences else "did"
        sentences.append(f"{names[result.name]}: {given} {end}.")
    return " ".join(sentences)
