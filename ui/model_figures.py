"""The rest of a model's card, drawn once the visitor opens it: charts, method, origin."""

import re
from collections.abc import Callable
from functools import partial

import streamlit as st

from model import Bundle, LoupeError
from model.answer.phrases import answer_record
from model.bundle import (
    Manifest,
    OodResult,
    SmallCard,
    get_bundle,
    is_public,
    named_ood_sets,
    read_small_card,
)
from model.engines import available
from model.exporting.formats import FORMATS, find_downloads
from model.text import format_size
from ui import component
from ui.confusion import (
    ConfusionMatrix,
    describe_mix_ups,
    show_confusion,
    show_label_table,
    show_mistakes,
)
from ui.phrasing import (
    escape_markdown,
    format_percent,
    link_urls,
    percent_range,
    phrase_error,
    short,
    shorten,
    to_markdown,
    typographic,
)
from ui.reliability import describe_interval, format_interval, show_calibration

METRIC_TITLES = {
    "accuracy": "Accuracy",
    "top5": "Top-5 accuracy",
    "coverage": "Prediction-set coverage",
    "calibration_error": "Calibration error",
    "calibration_error_before": "Calibration error before calibration",
    "kept": "Known photos accepted",
    "shown": "Correct as displayed",
}


@st.fragment
def show_figures(bundle: Bundle) -> None:
    """Show an expander, closed at first; opening it draws nothing else of the page again."""
    # A fragment keeps its arguments, and the model may be replaced while the page is open.
    name = bundle.name
    title = "By label, charts and origin" if bundle.manifest.card else "Labels and origin"
    expander = st.expander(title, on_change="rerun", key=f"more-{name}")
    if not expander.open:
        return
    with expander:
        try:
            figures = _figures(get_bundle(name))
        except LoupeError as error:
            st.warning(phrase_error(error))
            return
        first = next(iter(figures))
        chosen = st.pills(
            "Figure",
            list(figures),
            default=first,
            required=True,
            key=f"figure-{name}",
            label_visibility="collapsed",
        )
        figures.get(chosen, figures[first])()


def _figures(bundle: Bundle) -> dict[str, Callable[[], None]]:
    """Return what draws each figure of a model, by title."""
    manifest, small = bundle.manifest, read_small_card(bundle)
    card, calibration = manifest.card, manifest.calibration
    matrix = ConfusionMatrix.from_card(card, bundle.labels) if card else None
    figures: dict[str, Callable[[], None]] = {"By label": partial(_show_labels, bundle, matrix)}
    if small:
        figures["In browsers"] = partial(_show_small_graph, bundle, small)
    if matrix:
        figures["Mix-ups"] = partial(_show_mix_ups, matrix)
    if card and card.reliability:
        figures["Calibration"] = partial(show_calibration, manifest, card)
    elif calibration and calibration.estimated:
        figures["Calibration"] = partial(st.write, link_urls(calibration.estimated))
    if card and (card.ood_sets or (calibration and calibration.ood_threshold is not None)):
        figures["None of these"] = partial(_show_none_of_these, bundle)
    if card and card.mistakes:
        figures["Mistakes"] = partial(show_mistakes, card, bundle.labels)
    if manifest.metrics:
        figures["Method"] = partial(_show_method, manifest)
    figures["Origin"] = partial(_show_origin, bundle)
    return figures


def _show_labels(bundle: Bundle, matrix: ConfusionMatrix | None) -> None:
    label = st.selectbox(
        f"Search its {len(bundle.labels):,} labels",
        bundle.labels,
        index=None,
        placeholder="Type to search",
        key=f"labels-{bundle.name}",
    )
    if label:
        st.write(f"Yes, it knows *{escape_markdown(label)}*. {_describe_record(bundle, label)}")
    if matrix:
        show_label_table(matrix)


def _describe_record(bundle: Bundle, label: str) -> str:
    """Return what held-out photos revealed about a label, as Markdown; empty without a card."""
    card, index = bundle.manifest.card, bundle.labels.index(label)
    if card is None:
        return ""
    shown = {given: count for true, given, count in card.confusion if true == index}
    correct, photos = shown.get(index, 0), sum(shown.values())
    recall = f"In testing it recognised {correct:,} of {photos:,}." if photos else ""
    return f"{recall} {to_markdown(answer_record(card, index))} in testing."


def _show_mix_ups(matrix: ConfusionMatrix) -> None:
    st.write(describe_mix_ups(matrix))
    show_confusion(matrix)


def _show_none_of_these(bundle: Bundle) -> None:
    calibration, ood_sets = bundle.manifest.calibration, named_ood_sets(bundle)
    if accepted := bundle.manifest.metric("kept"):
        st.write(
            f"**It accepts {format_percent(accepted.value)}** of photos of things it knows "
            f"({format_interval(accepted)}). The rest it wrongly calls “none of these”."
        )
    if not ood_sets:
        st.write("Not yet tested on photos of things it doesn’t know.")
    names = name_sets(bundle)
    for result in ood_sets:
        st.write(_describe_ood(escape_markdown(names[result.name]), result))
    threshold = ""
    if calibration and calibration.ood_threshold is not None:
        detector = escape_markdown(calibration.ood_detector or "score")
        threshold = f" “None of these” starts above {calibration.ood_threshold:.4g} (*{detector}*)."
    st.caption(
        "AUROC: the chance that an unfamiliar photo scores higher than a familiar one. "
        f"1 is perfect, 0.5 is a coin toss.{threshold}"
    )


def name_sets(bundle: Bundle) -> dict[str, str]:
    """Return titles for the sets of photos of other things, so that no folder name is shown."""
    card, names = bundle.manifest.card, dict[str, str]()
    if card is None:
        return names
    for result, named in zip(card.ood_sets, named_ood_sets(bundle), strict=True):
        # Cards of earlier versions have the folders' names, which their command lists.
        is_folder = result.name == named.name and re.search(
            rf"--unknown \S*{re.escape(result.name)}(?!\S)", card.command
        )
        name = ("Others" if names else "Some other things") if is_folder else named.name
        names[result.name] = names[named.name] = shorten(name[:1].upper() + name[1:], 80)
    return names


def _describe_ood(name: str, result: OodResult) -> str:
    """Return how often photos of other things get a label, as Markdown."""
    warning = " It is no better than guessing on them." if result.near_chance else ""
    rate = result.ood_accept_rate
    photos = f"{result.photos:,} photos{' and gives them a wrong label' if rate else ''}"
    figures = f"{percent_range(result.low, result.high)}; AUROC {format_auroc(result.auroc)}"
    share = format_percent(rate) if rate else "none"
    return f"**{name}: it accepts {share}** of {photos} ({figures}).{warning}"


def format_auroc(auroc: float) -> str:
    """Return an AUROC with three digits; only a perfect one is 1.000."""
    return f"{auroc if auroc == 1 else min(auroc, 0.999):.3f}"


def _show_method(manifest: Manifest) -> None:
    card = manifest.card
    for metric in manifest.metrics:
        # The other figures of a card explain the rest.
        if card is None or metric.name == "top5":
            title = f"**{METRIC_TITLES[metric.name]} {metric.value:.1%}**"
            photos = f"{metric.counted}: {escape_markdown(typographic(metric.on))}"
            by = link_urls(metric.by)
            st.write(f"{title} ({format_interval(metric)}, {photos}), {by}")
    if card is None:
        return
    st.write(
        f"On {card.photos:,} photos. Measured with {card.folds}-fold cross-validation: "
        "temperature, plausible labels and the “none of these” threshold are never fitted on the "
        "photos they are scored on."
        + (f" The seed is {card.seed}." if card.seed is not None else "")
    )
    if card.notes:
        st.write("\n".join(f"- {escape_markdown(typographic(note))}" for note in card.notes))


def _show_small_graph(bundle: Bundle, small: SmallCard) -> None:
    st.write("A visitor’s own device runs the small graph: the same network with 8-bit weights.")
    st.table(graph_rows(bundle, small), border="horizontal", hide_index=True)
    names = name_sets(bundle)
    for row in small.agreement:
        alike = f", same decision on “none of these” on **{row.known:,}**"
        top = f"same top label on **{row.top_label:,} of {row.photos:,}**"
        name = short(names.get(row.name, row.name), 80)
        st.write(f"*{name}*: {top}{'' if row.known is None else alike}.")
    if metric := small.metric("accuracy"):
        st.caption(f"{metric.photos:,} photos, {escape_markdown(metric.by)}.")


def graph_rows(bundle: Bundle, small: SmallCard) -> list[dict[str, str]]:
    """Return one row for each figure that was measured of both graphs."""
    rows = []

    def add(title: str, *figures: str) -> None:
        rows.append(dict(zip(("", "Full graph", "Small graph"), (title, *figures), strict=True)))

    for name, title in METRIC_TITLES.items():
        if (full := small.full_metric(name)) and (own := small.metric(name)):
            add(title, *(f"{one.value:.1%}{describe_interval(one)}" for one in (full, own)))
    full_rates = {result.name: result.ood_accept_rate for result in named_ood_sets(bundle)}
    names = name_sets(bundle)
    for result in small.card.ood_sets if small.card else ():
        if result.name in full_rates:
            rates = full_rates[result.name], result.ood_accept_rate
            add(f"Accepted: {short(names[result.name], 80)}", *map(format_percent, rates))
    return rows


def _show_origin(bundle: Bundle) -> None:
    manifest = bundle.manifest
    architecture, data, recipe = manifest.architecture, manifest.data, manifest.recipe
    height, width = recipe.size
    greyscale = ", greyscale" if recipe.greyscale else ""
    photos = f", {data.photos:,} photos" if data.photos else ""
    installed = available(bundle)
    missing = "" if installed == manifest.engines else f" (installed: {', '.join(installed)})"
    size = f"{architecture.parameters / 1e6:.1f} million parameters"
    packages = [f"{name} {version}" for name, version in manifest.provenance.items()]
    facts = {
        "Network": f"{architecture.body} ({architecture.library}), {size}",
        "Input": f"{width} × {height} pixels ({recipe.method}, {recipe.interpolation}{greyscale})",
        "Trained on": f"{data.title}{photos}",
        "Data licence": data.licence,
        "Source": data.source,
        "Licence": manifest.licence,
        "Size": f"{bundle.size / 1e6:.0f} MB",
        "Engines": f"{', '.join(manifest.engines)}{missing}",
        "Built with": ", ".join(packages),
        "Version": bundle.version,
    }
    st.table({key: link_urls(value) for key, value in facts.items()}, border="horizontal")
    _show_downloads(bundle)


def _show_downloads(bundle: Bundle) -> None:
    """Show a link to each export that the owner has made; nothing if the model stays here."""
    is_offered = is_public(bundle) and component.has_routes()
    downloads = find_downloads(bundle) if is_offered else {}
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
