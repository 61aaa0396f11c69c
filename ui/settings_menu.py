"""The choice of a photo source, and behind one button the settings that rarely change."""

from collections.abc import Sequence

import streamlit as st

from model import Bundle, list_models
from model.classifier import default_model
from model.engine_info import DEFAULT_ENGINE, ENGINES
from model.engines import available, why_unavailable
from model.settings import settings
from ui.phrasing import escape_markdown
from ui.session import reclassify

__all__ = [
    "engine_choice",
    "model_choice",
    "settings_menu",
    "source_control",
    "usable_bundles",
    "warn_if_serving_install",
    "warn_if_unusable",
]

MAX_RESULTS = 10


def usable_bundles() -> dict[str, Bundle]:
    """Return the models that can be used, by name."""
    models = list_models()
    return {name: bundle for name, bundle in models.items() if isinstance(bundle, Bundle)}


def source_control(sources: Sequence[str], key: str) -> str:
    """Show the choice of a photo source and return it; ``key`` is also its query parameter."""
    return st.segmented_control(
        "Photo source",
        sources,
        default=sources[0],
        required=True,
        key=key,
        bind="query-params",
        label_visibility="collapsed",
    )


def settings_menu(bundles: dict[str, Bundle]) -> tuple[Bundle | None, int]:
    """Show the menu; return the chosen model and how many results to show.

    All three choices are in the address. Another model or engine identifies the open photo
    again.
    """
    with st.popover("", icon=":material/tune:", help="Model, engine and number of results"):
        name = model_choice(bundles)
        top_k = st.slider("Results to show", 1, MAX_RESULTS, 5, key="top", bind="query-params")
        engine_choice(bundles, name)
    return bundles.get(name or ""), top_k


def model_choice(bundles: dict[str, Bundle]) -> str | None:
    """Show the model selector and return the chosen name."""
    names = list(bundles)
    default = default_model()
    # Options are names, not titles, because they appear in the address.
    name = st.selectbox(
        "Model",
        names,
        index=names.index(default) if default in names else 0,
        key="model",
        bind="query-params",
        on_change=reclassify,
    )
    if name:
        st.caption(escape_markdown(bundles[name].manifest.title))
    return name


def engine_choice(bundles: dict[str, Bundle], name: str | None) -> str | None:
    """Show the selector of this app's engines and return the chosen name."""
    engines = list(available(bundles[name])) if name else [DEFAULT_ENGINE]
    default = settings().engine
    engine = st.radio(
        "Engine",
        engines,
        index=engines.index(default) if default in engines else 0,
        key="engine",
        bind="query-params",
        on_change=reclassify,
        captions=[ENGINES[engine].caption for engine in engines],
    )
    if name:
        for reason in _unavailable_engines(bundles[name]).values():
            st.caption(escape_markdown(reason))
    return engine


def _unavailable_engines(bundle: Bundle) -> dict[str, str]:
    """Return the bundle's engines that this app can't run, each with the reason."""
    reasons = {name: why_unavailable(bundle, name) for name in bundle.manifest.engines}
    return {name: reason for name, reason in reasons.items() if reason}


def warn_if_unusable(bundles: dict[str, Bundle]) -> None:
    """Warn if the default model can't be used, or the engine that a link asks for."""
    text = ""
    if not bundles:
        text = "This app has no model that can be loaded."
    elif (name := settings().model) and name not in bundles:
        text = f"This app's default model, *{escape_markdown(name)}*, can't be loaded."
    if text:
        text += " If you run this app, `python -m model verify` tells you why."
        st.warning(text, icon=":material/block:")
    bundle = bundles.get(st.session_state.get("model") or default_model() or "")
    if bundle and (reason := _unavailable_engines(bundle).get(st.query_params.get("engine", ""))):
        st.warning(escape_markdown(reason), icon=":material/memory:")


def warn_if_serving_install(bundles: dict[str, Bundle]) -> None:
    """Show which parts of the app need the full install, if it is missing."""
    if any(len(available(bundle)) < len(bundle.manifest.engines) for bundle in bundles.values()):
        st.info(
            "This is the serving install (requirements-serve.txt): Identify, Batch and Models run "
            "on the compiled engine. The learner engine and training need the full install "
            "(requirements.txt).",
            icon=":material/inventory_2:",
        )
