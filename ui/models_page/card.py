"""A model's card on the Models page: what ``bundle.json`` and ``small.json`` say."""

from functools import partial

import streamlit as st

from model import Bundle, LoupeError, load
from model.bundle import (
    Manifest,
    Version,
    current_version,
    get_bundle,
    list_versions,
    model_dir,
    read_small_card,
)
from model.engines import available
from model.errors import BundleError
from model.exporting.downloads import find_downloads
from model.exporting.formats import FORMATS
from model.settings import settings
from model.text import format_size
from ui import component
from ui.models_page.figures import format_interval, show_figures
from ui.models_page.section import show_section
from ui.models_page.small_graph import show_small_graph
from ui.models_page.summary import show_summary
from ui.navigation import get_page
from ui.phrasing import escape_markdown, link_urls, phrase_error, phrase_track_record

__all__ = ["show_card", "show_unusable_card"]

METRIC_TITLES = {
    "accuracy": "Accuracy",
    "top5": "Top-5 accuracy",
    "calibration_error": "Calibration error",
    "calibration_error_before": "Calibration error before calibration",
    "coverage": "Prediction-set coverage",
    "kept": "Known photos accepted",
    "shown": "Right as shown",
}
# A model card explains the other metrics where it shows them.
HEADLINE_METRICS = ("accuracy", "top5")


def show_card(bundle: Bundle, *, is_chosen: bool) -> None:
    """Show what a model knows, how good it is and on what, and where it comes from.

    Args:
        bundle: the model.
        is_chosen: it answers this visitor's photos.
    """
    manifest = bundle.manifest
    with st.container(border=True):
        show_summary(bundle, is_chosen=is_chosen)
        _show_other_metrics(manifest)
        st.caption(_describe_calibration(manifest))
        _show_labels(bundle)
        if manifest.card:
            show_figures(bundle.name)
        if read_small_card(bundle):
            show_small_graph(bundle.name)
        _show_downloads(bundle)
        draw = partial(_draw_origin, bundle.name)
        show_section("Origin and speed", ":material/info:", f"origin-{bundle.name}", draw)
        if current_version(bundle.folder.parent) is not None:
            _show_versions(bundle.name)
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
        if current_version(model_dir(name)) is not None:
            _show_versions(name)


def _show_other_metrics(manifest: Manifest) -> None:
    """Show the metrics that a model card would explain, for a model without one."""
    metrics = [
        metric
        for metric in manifest.metrics
        if metric.name != "accuracy" and (not manifest.card or metric.name in HEADLINE_METRICS)
    ]
    sources = [metric.by for metric in metrics]
    for position, metric in enumerate(metrics):
        st.write(
            f"**{METRIC_TITLES[metric.name]} {metric.value:.1%}** "
            f"({format_interval(metric)}, {metric.photos:,} photos: {escape_markdown(metric.on)})"
        )
        # The source appears once for all metrics that share it; a card has its command.
        if not manifest.card and metric.by not in sources[position + 1 :]:
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
    expander = st.expander(
        "All labels", icon=":material/list:", on_change="rerun", key=f"all-{bundle.name}"
    )
    if expander.open:
        expander.dataframe(
            {"label": bundle.labels},
            height=min(36 * len(bundle.labels) + 39, 280),
            column_config={"label": "Label"},
            hide_index=True,
        )


def _describe_record(bundle: Bundle, label: str) -> str:
    """Return what held-out photos revealed about a label, as Markdown; empty without a card."""
    card = bundle.manifest.card
    if card is None:
        return ""
    index = bundle.labels.index(label)
    shown = {given: count for true, given, count in card.confusion if true == index}
    correct, photos = shown.get(index, 0), sum(shown.values())
    recall = f"In testing it recognised {correct:,} of {photos:,}." if photos else ""
    return f"{recall} {phrase_track_record(card, index, bundle.labels, bundle.manifest.language)}"


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


def _draw_origin(name: str) -> None:
    """Draw facts about the model of that name.

    The speed is measured only once the visitor opens them: loading many models would fill a
    small machine.
    """
    facts = _facts(get_bundle(name))
    st.table({key: link_urls(value) for key, value in facts.items()}, border="horizontal")


def _facts(bundle: Bundle) -> dict[str, str]:
    manifest = bundle.manifest
    architecture, data, recipe = manifest.architecture, manifest.data, manifest.recipe
    height, width = recipe.size
    greyscale = ", greyscale" if recipe.greyscale else ""
    photos = f", {data.photos:,} photos" if data.photos else ""
    return {
        "Network": f"{architecture.body} ({architecture.library}), "
        f"{architecture.parameters / 1e6:.1f} million parameters",
        "Input": f"{width} × {height} pixels ({recipe.method}, {recipe.interpolation}{greyscale})",
        "Trained on": f"{data.title}{photos}",
        "Data licence": data.licence,
        "Source": data.source,
        "Licence": manifest.licence,
        "Size": f"{bundle.size / 1e6:.0f} MB",
        "Engines": _describe_engines(bundle),
        "Speed on this server": _describe_speed(bundle),
        "Built with": ", ".join(
            f"{name} {version}" for name, version in manifest.provenance.items()
        ),
        "Version": bundle.version,
    }


def _describe_engines(bundle: Bundle) -> str:
    engines, installed = bundle.manifest.engines, available(bundle)
    missing = "" if installed == engines else f" (installed: {', '.join(installed)})"
    return f"{', '.join(engines)}{missing}"


def _describe_speed(bundle: Bundle) -> str:
    """Return milliseconds per photo of the first engine, from its golden test."""
    try:
        classifier = load(bundle.name, available(bundle)[0])
    except (LoupeError, IndexError) as error:
        return f"not measured ({getattr(error, 'code', 'no engine')})"
    engine = classifier.engine.name
    return f"{classifier.engine_ms:.1f} ms per photo ({engine} engine, without decoding)"


def _show_versions(name: str) -> None:
    """Show when each version was created, how good it is, and the command that rolls back.

    Only the owner may set the current version, and the page cannot tell who the owner is.
    """
    draw = partial(_draw_versions, name)
    show_section("Versions", ":material/history:", f"versions-{name}", draw)


def _draw_versions(name: str) -> None:
    all_versions = list_versions(name)
    st.table(
        [_version_row(version) for version in all_versions],
        border="horizontal",
        hide_index=True,
        alt="One row for each version, the newest first",
    )
    previous = next((version for version in all_versions if not version.current), None)
    if previous:
        st.caption("To roll back, run:")
        command = f"python -m model rollback {name} {previous.version}"
        st.code(command, language=None, wrap_lines=True)


def _version_row(version: Version) -> dict[str, str]:
    bundle = version.bundle if isinstance(version.bundle, Bundle) else None
    metric = bundle.manifest.metric("accuracy") if bundle else None
    accuracy = f"{metric.value:.1%}" if metric else "not measured"
    return {
        "Version": f"`{version.version}`" + (" **current**" if version.current else ""),
        "Created (UTC)": f"{version.created:%Y-%m-%d %H:%M}",
        "Accuracy": accuracy if bundle else "can't be used",
    }
