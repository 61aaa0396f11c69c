"""A model's card: everything on it comes from its ``bundle.json``."""

import streamlit as st

from model import Bundle, LoupeError, load
from model.bundle.manifest import Manifest
from model.bundle.registry import current_version, get_bundle, model_dir
from model.engines import available
from model.errors import BundleError
from ui.models_page.counts import Counts
from ui.models_page.figures import figures
from ui.models_page.versions import version_list
from ui.navigation import page
from ui.phrasing import escaped, linked, record, refusal

__all__ = ["card", "refused_card"]

MEASURES = {
    "accuracy": "Accuracy",
    "top5": "Right among the first five",
    "calibration_error": "Calibration error",
    "calibration_error_before": "Calibration error before calibration",
    "coverage": "Coverage of the plausible set",
    "kept": "Kept of what it knows",
}
# Of a model with a card, the others stand where the card explains them.
FIRST = ("accuracy", "top5")


def card(bundle: Bundle) -> None:
    """What a model knows, how good it is and on what, where it comes from."""
    manifest = bundle.manifest
    with st.container(border=True):
        st.subheader(escaped(manifest.title), anchor=False)
        st.write(escaped(manifest.description))
        _metrics(manifest)
        _calibration(manifest)
        _labels(bundle)
        if manifest.card:
            figures(bundle.name)
        _origin(bundle.name)
        if current_version(bundle.folder.parent) is not None:
            version_list(bundle.name)
        _try_it(bundle)


def refused_card(name: str, error: BundleError) -> None:
    """A model that cannot be used, and what its owner can do."""
    with st.container(border=True):
        st.subheader(escaped(name), anchor=False)
        st.warning(refusal(error), icon=":material/block:")
        if current_version(model_dir(name)) is not None:
            version_list(name)


def _metrics(manifest: Manifest) -> None:
    shown = [one for one in manifest.metrics if not manifest.card or one.name in FIRST]
    for place, metric in enumerate(shown):
        st.write(
            f"**{MEASURES[metric.name]} {metric.value:.1%}** "
            f"({metric.low:.1%} to {metric.high:.1%} with 95% confidence, "
            f"{metric.photos:,} photos: {escaped(metric.on)})"
        )
        # Once for all that one measured; a card has its command.
        if not manifest.card and metric.by not in [one.by for one in shown[place + 1 :]]:
            st.write(linked(metric.by))
    if not shown:
        st.write("**Accuracy** not measured.")


def _calibration(manifest: Manifest) -> None:
    if manifest.confidence is None:
        st.caption("Not calibrated: it cannot say “none of these”, and always names something.")
    elif manifest.confidence.novelty is None:
        st.caption("Calibrated: it says how sure it is. It cannot say “none of these”.")
    elif manifest.card and not manifest.card.strangers:
        st.caption(
            "Calibrated: it says how sure it is. It may say “none of these”, but nobody has tried "
            "it on photos of anything else."
        )
    else:
        st.caption("Calibrated: it says how sure it is, and “none of these” of what looks strange.")


def _labels(bundle: Bundle) -> None:
    found = st.selectbox(
        f"Does it know …? ({len(bundle.labels):,} labels)",
        bundle.labels,
        index=None,
        placeholder="Type to search its labels",
        key=f"labels-{bundle.name}",
    )
    if found:
        st.write(f"Yes, it knows *{escaped(found)}*. {_how_well(bundle, found)}")
    part = st.expander(
        "All labels", icon=":material/list:", on_change="rerun", key=f"all-{bundle.name}"
    )
    if part.open:
        part.dataframe(
            {"label": bundle.labels},
            height=min(36 * len(bundle.labels) + 39, 280),
            column_config={"label": "Label"},
            hide_index=True,
        )


def _how_well(bundle: Bundle, label: str) -> str:
    """What held-out photos showed of a label, if any did."""
    card = bundle.manifest.card
    if card is None:
        return ""
    index = bundle.labels.index(label)
    photos = Counts(card, bundle.labels).support[index]
    right = sum(count for truth, said, count in card.confusion if truth == said == index)
    found = f"It recognised {right:,} of {photos:,} held-out photos of it." if photos else ""
    return f"{found} {record(card, index, bundle.labels, bundle.manifest.language)}"


@st.fragment
def _origin(name: str) -> None:
    """Facts of the model of that name. Its speed is measured only once somebody asks for it:
    with many models, loading them all would fill a small machine.
    """
    part = st.expander(
        "Where it comes from, how fast it is",
        icon=":material/info:",
        on_change="rerun",
        key=f"origin-{name}",
    )
    if not part.open:
        return
    with part:
        try:
            _facts(get_bundle(name))
        except LoupeError as error:
            st.warning(refusal(error))


def _facts(bundle: Bundle) -> None:
    manifest = bundle.manifest
    architecture = manifest.architecture
    height, width = manifest.recipe.size
    rows = {
        "Network": f"{architecture.body} ({architecture.library}), "
        f"{architecture.parameters / 1e6:.1f} million parameters",
        "It sees": f"{width} × {height} pixels ({manifest.recipe.method}, "
        f"{manifest.recipe.interpolation})",
        "Trained on": manifest.data.title
        + (f", {manifest.data.photos:,} photos" if manifest.data.photos else ""),
        "Licence of the photos": manifest.data.licence,
        "Source": manifest.data.source,
        "Licence": manifest.licence,
        "Size": f"{bundle.size / 1e6:.0f} MB",
        "Engines": ", ".join(manifest.engines)
        + (
            ""
            if available(bundle) == manifest.engines
            else f" (installed here: {', '.join(available(bundle))})"
        ),
        "Speed here": _speed(bundle),
        "Made with": ", ".join(f"{name} {version}" for name, version in manifest.made.items()),
        "Version": bundle.version,
    }
    st.table({key: linked(value) for key, value in rows.items()}, border="horizontal")


def _speed(bundle: Bundle) -> str:
    """Milliseconds a photo of the compiled engine, from its check of the golden answers."""
    try:
        classifier = load(bundle.name, available(bundle)[0])
    except (LoupeError, IndexError) as error:
        return f"not measured ({getattr(error, 'code', 'no engine')})"
    return f"{classifier.milliseconds:.1f} ms a photo ({classifier.engine.name}, decoding aside)"


def _try_it(bundle: Bundle) -> None:
    st.page_link(
        page("identify"),
        label="Identify with it",
        icon=":material/photo_camera:",
        query_params={"model": bundle.name},
    )
