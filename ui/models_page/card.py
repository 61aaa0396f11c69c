"""A model's card on the Models page: what ``bundle.json`` and ``small.json`` say."""

from functools import partial

import streamlit as st

from model import Bundle
from model.answer.phrases import answer_record
from model.bundle import Manifest, OodResult, get_bundle, named_ood_sets
from model.engines import available
from model.errors import BundleError
from model.exporting.downloads import find_downloads
from model.exporting.formats import FORMATS
from model.settings import settings
from model.text import format_size, list_some
from ui import component
from ui.models_page.figures import (
    METRIC_TITLES,
    describe_turned_away,
    show_figures,
    show_section,
)
from ui.models_page.reliability import format_interval
from ui.navigation import get_page
from ui.phrasing import escape_markdown, link_urls, phrase_error, shorten, to_markdown

MAX_LISTED = 12
"""Most labels that are listed; of more, the first few."""

TOO_MANY_ACCEPTED = 0.5
"""OOD accept rate from which a set of photos counts as not noticed."""


def show_card(bundle: Bundle, *, is_chosen: bool) -> None:
    """Show what a model knows, how good it is and on what, and where it comes from.

    Args:
        bundle: the model.
        is_chosen: it answers this visitor's photos.
    """
    manifest = bundle.manifest
    with st.container(border=True):
        _show_summary(bundle, is_chosen=is_chosen)
        _show_other_metrics(manifest)
        st.caption(_describe_calibration(manifest))
        _show_labels(bundle)
        show_figures(bundle)
        _show_downloads(bundle)
        draw = partial(_show_origin, bundle.name)
        show_section("Origin", ":material/info:", f"origin-{bundle.name}", draw)
        if st.button(
            "Point it at something",
            key=f"try-{bundle.name}",
            icon=":material/photo_camera:",
            width="stretch",
        ):
            st.switch_page(get_page("identify"), query_params={"model": bundle.name})


def show_unusable_card(name: str, error: BundleError) -> None:
    """Show a model that can't be used, and what its owner can do."""
    with st.container(border=True):
        st.subheader(escape_markdown(name), anchor=False)
        st.warning(phrase_error(error), icon=":material/block:")


def _show_summary(bundle: Bundle, *, is_chosen: bool) -> None:
    """Show a model's title, accuracy, labels and blind spots."""
    manifest = bundle.manifest
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(escape_markdown(manifest.title), anchor=False, width="stretch")
        if is_chosen:
            st.badge("In use", icon=":material/check:", color="green")
    st.write(escape_markdown(manifest.description))
    if accuracy := manifest.metric("accuracy"):
        st.metric("Correct", f"{accuracy.value:.1%}")
        on = escape_markdown(accuracy.on)
        st.caption(f"{format_interval(accuracy)}, on {accuracy.photos:,} photos ({on})")
        if sentence := describe_turned_away(bundle):
            st.write(sentence)
        if manifest.card:
            st.caption(escape_markdown(accuracy.by))
        else:
            # Not a caption, in which a link is too pale to read.
            st.write(link_urls(accuracy.by))
    else:
        st.write("**Accuracy** not measured.")
    names = [escape_markdown(shorten(label, 40)) for label in bundle.labels]
    # All of them if they are few.
    listed = list_some(names, MAX_LISTED if len(names) <= MAX_LISTED else MAX_LISTED // 2)
    st.markdown(f"**What it knows**  \n{listed}")
    if blind_spots := _describe_blind_spots(bundle):
        st.warning(f"**What it doesn't notice**  \n{blind_spots}")


def _describe_blind_spots(bundle: Bundle) -> str:
    """Return what a model takes for something it knows, as Markdown; empty without a measurement.

    Names the sets of photos of other things, those that it accepts most often first. Also empty
    if it mostly rejects each set.
    """
    results = sorted(named_ood_sets(bundle), key=lambda result: -result.ood_accept_rate)
    if not results or results[0].ood_accept_rate < TOO_MANY_ACCEPTED:
        return ""
    return " ".join(_describe_accepted(result) for result in results)


def _describe_accepted(result: OodResult) -> str:
    name = f"*{escape_markdown(shorten(result.name, 80))}*"
    accepted = round(result.ood_accept_rate * result.photos)
    if not accepted:
        return f"None of the {result.photos:,} {name} got one."
    return f"It gave one of its labels to {accepted:,} of {result.photos:,} {name}."


def _show_other_metrics(manifest: Manifest) -> None:
    """Show the metrics that the figures of a card would explain, for a model without one."""
    for metric in manifest.metrics:
        if metric.name == "top5" or (metric.name != "accuracy" and not manifest.card):
            st.write(
                f"**{METRIC_TITLES[metric.name]} {metric.value:.1%}** "
                f"({format_interval(metric)}, {metric.photos:,} photos: "
                f"{escape_markdown(metric.on)})"
            )
            if not manifest.card:
                st.write(link_urls(metric.by))


def _describe_calibration(manifest: Manifest) -> str:
    """Return a sentence or two on when the model names nothing."""
    if manifest.multilabel:
        return (
            f"It shows each label with a probability of at least {manifest.present_from:.1%}, and "
            "says so if none reaches it. Models with several labels per photo can't be calibrated."
        )
    if manifest.calibration is None:
        return "Not calibrated: this model always names something and can't say “none of these”."
    if reason := manifest.calibration.estimated:
        return f"{escape_markdown(reason)} It always names something and can't say “none of these”."
    if manifest.calibration.ood_threshold is None:
        return "Calibrated: it says how sure it is. It can't say “none of these”."
    if manifest.card and not manifest.card.ood_sets:
        return (
            "Calibrated. It can say “none of these”, but that hasn't been tested on photos of "
            "other things."
        )
    return (
        "Calibrated: it says how sure it is, and says “none of these” when a photo looks like "
        "nothing it knows."
    )


def _show_labels(bundle: Bundle) -> None:
    label = st.selectbox(
        f"Search its {len(bundle.labels):,} labels",
        bundle.labels,
        index=None,
        placeholder="Type to search",
        key=f"labels-{bundle.name}",
    )
    if label:
        st.write(f"Yes, it knows *{escape_markdown(label)}*. {_describe_record(bundle, label)}")


def _describe_record(bundle: Bundle, label: str) -> str:
    """Return what held-out photos revealed about a label, as Markdown; empty without a card."""
    card = bundle.manifest.card
    if card is None:
        return ""
    index = bundle.labels.index(label)
    shown = {given: count for true, given, count in card.confusion if true == index}
    correct, photos = shown.get(index, 0), sum(shown.values())
    recall = f"In testing it recognised {correct:,} of {photos:,}." if photos else ""
    return f"{recall} {to_markdown(answer_record(card, index))} in tests."


def _show_downloads(bundle: Bundle) -> None:
    """Show a link to each export that the owner has made; nothing if downloads are off."""
    if not settings().downloads or not component.has_routes():
        return
    downloads = find_downloads(bundle)
    if not downloads:
        return
    st.markdown("**Take it with you**")
    with st.container(horizontal=True):
        for name, path in downloads.items():
            st.link_button(
                f"{FORMATS[name].title}, {format_size(path.stat().st_size)}",
                f"api/v1/models/{bundle.name}/{bundle.version}/{path.name}",
                icon=":material/download:",
            )
    st.caption("The model with its labels and a sample program, as a zip.")


def _show_origin(name: str) -> None:
    bundle = get_bundle(name)
    manifest = bundle.manifest
    architecture, data, recipe = manifest.architecture, manifest.data, manifest.recipe
    height, width = recipe.size
    greyscale = ", greyscale" if recipe.greyscale else ""
    photos = f", {data.photos:,} photos" if data.photos else ""
    installed = available(bundle)
    missing = "" if installed == manifest.engines else f" (installed: {', '.join(installed)})"
    facts = {
        "Network": f"{architecture.body} ({architecture.library}), "
        f"{architecture.parameters / 1e6:.1f} million parameters",
        "Input": f"{width} × {height} pixels ({recipe.method}, {recipe.interpolation}{greyscale})",
        "Trained on": f"{data.title}{photos}",
        "Data licence": data.licence,
        "Source": data.source,
        "Licence": manifest.licence,
        "Size": f"{bundle.size / 1e6:.0f} MB",
        "Engines": f"{', '.join(manifest.engines)}{missing}",
        "Built with": ", ".join(
            f"{name} {version}" for name, version in manifest.provenance.items()
        ),
        "Version": bundle.version,
    }
    st.table({key: link_urls(value) for key, value in facts.items()}, border="horizontal")
