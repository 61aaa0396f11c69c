"""A model's card: everything on it comes from its ``bundle.json``."""

import streamlit as st

from model import Bundle, LoupeError, load
from model.engines import available
from model.errors import BundleError
from model.manifest import Metric
from ui.navigation import page
from ui.words import escaped, linked, refusal

__all__ = ["card", "refused_card"]

MEASURES = {
    "accuracy": "Accuracy",
    "top5": "Right among the first five",
    "calibration_error": "Calibration error",
    "coverage": "Coverage of the plausible set",
}


def card(bundle: Bundle) -> None:
    """What a model knows, how good it is and on what, where it comes from."""
    manifest = bundle.manifest
    with st.container(border=True):
        st.subheader(escaped(manifest.title), anchor=False)
        st.write(escaped(manifest.description))
        for metric in manifest.metrics:
            _metric(metric)
        if not manifest.metrics:
            st.write("**Accuracy** not measured.")
        if manifest.confidence is None:
            st.caption("Not calibrated: it cannot say “none of these”, and always names something.")
        _labels(bundle)
        _facts(bundle)
        _try_it(bundle)


def refused_card(name: str, error: BundleError) -> None:
    """A model that cannot be used, and what its owner can do."""
    with st.container(border=True):
        st.subheader(escaped(name), anchor=False)
        st.warning(refusal(error), icon=":material/block:")


def _metric(metric: Metric) -> None:
    st.write(
        f"**{MEASURES[metric.name]} {metric.value:.1%}** "
        f"({metric.low:.1%} to {metric.high:.1%} with 95% confidence, "
        f"{metric.photos:,} photos: {escaped(metric.on)})"
    )
    st.write(linked(metric.by))


def _labels(bundle: Bundle) -> None:
    found = st.selectbox(
        f"Does it know …? ({len(bundle.labels):,} labels)",
        bundle.labels,
        index=None,
        placeholder="Type to search its labels",
        key=f"labels-{bundle.name}",
    )
    if found:
        st.write(f"Yes, it knows *{escaped(found)}*.")
    with st.expander("All labels"):
        st.dataframe(
            {"label": bundle.labels}, height=280, column_config={"label": "Label"}, hide_index=True
        )


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
