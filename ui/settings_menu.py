"""What one changes rarely, behind one button: model, number of answers, engine."""

import streamlit as st

from model import Bundle, list_models
from model.engines import available
from model.settings import settings
from ui.phrasing import escaped
from ui.session import reclassify

__all__ = ["bundles", "check_model", "say_what_is_missing", "settings_menu"]

MOST = 10


def bundles() -> dict[str, Bundle]:
    """The models that can be used, by name."""
    return {name: found for name, found in list_models().items() if isinstance(found, Bundle)}


def settings_menu() -> int:
    """The menu; returns how many labels to show.

    All three choices are in the link. Another model or engine looks at the
    newest photo again.
    """
    found = bundles()
    with st.popover("", icon=":material/tune:", help="Model, number of answers, engine"):
        name = model_choice(found)
        top = st.slider("Answers to show", 1, MOST, 5, key="top", bind="query-params")
        engine_choice(found, name)
    return top


def check_model() -> None:
    """Say so where the model that this app is set to open cannot be used."""
    if settings().model not in bundles():
        st.warning(
            f"The model *{escaped(settings().model)}*, which this app is set to open, cannot be "
            "used here. Whoever runs the app reads the reason with `python -m model verify`.",
            icon=":material/block:",
        )


def model_choice(found: dict[str, Bundle]) -> str | None:
    """Which model answers."""
    names = list(found)
    first = names.index(settings().model) if settings().model in names else 0
    # Options are names, not titles: they stand in the link as they are shown.
    name = st.selectbox(
        "Model",
        names,
        index=first,
        key="model",
        bind="query-params",
        on_change=reclassify,
    )
    if name:
        st.caption(escaped(found[name].manifest.title))
    return name


def engine_choice(found: dict[str, Bundle], name: str | None) -> str | None:
    """Which engine runs the model; only those that are installed are offered."""
    engines = list(available(found[name])) if name else ["compiled"]
    first = engines.index(settings().engine) if settings().engine in engines else 0
    engine = st.radio(
        "Engine",
        engines,
        index=first,
        key="engine",
        bind="query-params",
        on_change=reclassify,
        captions=[
            {
                "compiled": "The learner compiled: fast",
                "learner": "The fastai learner itself: the reference",
            }[engine]
            for engine in engines
        ],
    )
    if name and len(engines) < len(found[name].manifest.engines):
        st.caption("The learner needs requirements.txt, which is not installed here.")
    return engine


def say_what_is_missing() -> None:
    """Say which parts of the app need more than what answers photos."""
    lacking = [
        found.manifest.title
        for found in bundles().values()
        if len(available(found)) < len(found.manifest.engines)
    ]
    if lacking:
        st.info(
            "Installed here is the part that answers photos (requirements-serve.txt): Identify, "
            "Batch and Models work with the compiled engine. The learner engine, and building "
            "models, need the rest (requirements.txt).",
            icon=":material/inventory_2:",
        )
