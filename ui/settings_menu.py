"""The settings menu, and warnings about models that are missing or can't be used."""

from collections import Counter
from collections.abc import Callable, Sequence

import streamlit as st

from model import Bundle, list_models
from model.bundle.registry import store_pending
from model.engine_info import DEFAULT_ENGINE, ENGINES, SERVER_ENGINES
from model.engines import available, shortfall
from model.loading import default_model
from model.model_store import store_follower
from model.settings import settings
from model.text import clean
from ui.app_info import app_title
from ui.phrasing import escape_markdown, shorten
from ui.session_state import choose, requested_choices


def model_select(bundles: dict[str, Bundle], key: str, on_change: Callable[[], None]) -> str | None:
    """Show models by title, and return the name of the chosen one.

    Not bound to the address, which would have titles in place of names.
    """
    titles = {name: clean(bundle.manifest.title) for name, bundle in bundles.items()}
    count = Counter(titles.values())
    # Streamlit tells choices apart by what is shown.
    shared = {name: f"{title} ({name})" for name, title in titles.items() if count[title] > 1}
    show = (titles | shared).__getitem__
    return st.selectbox("Model", titles, format_func=show, key=key, on_change=on_change)


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


def settings_menu(
    bundles: dict[str, Bundle],
    on_change: Callable[[], None] = lambda: None,
    *,
    has_model: bool = True,
    has_top_k: bool = True,
    more: Callable[[], None] = lambda: None,
) -> tuple[Bundle | None, int]:
    """Show the menu; return the chosen model and how many results to show.

    Each choice is written to the address; ``on_change`` is called after another model or engine is
    chosen. ``more`` draws further entries at the end of the menu.
    """
    top, default = 10, default_model()
    # The default comes first: with another index, Streamlit forbids setting the choice, as
    # remember_address does.
    ordered = dict(sorted(bundles.items(), key=lambda entry: entry[0] != default))
    with st.popover("Settings", icon=":material/tune:"):
        name: str | None = st.session_state.get("model")
        if has_model:
            name = model_select(ordered, "model", lambda: _choose("model", on_change))
        if has_top_k:
            top = st.slider("Labels in the chart", 1, top, top, key="top", bind="query-params")
        # The chosen model may have been removed since.
        _engine_choice(bundles, name if name in bundles else None, on_change)
        more()
    return bundles.get(name or ""), top


def _choose(key: str, on_change: Callable[[], None]) -> None:
    choose(key)
    on_change()


def _engine_choice(
    bundles: dict[str, Bundle], name: str | None, on_change: Callable[[], None]
) -> None:
    """Show this app's engines by title, the default first and not bound, as in ``model_select``."""
    usable = available(bundles[name]) if name else (DEFAULT_ENGINE,)
    engines = sorted(usable, key=lambda engine: engine != settings().engine)
    st.radio(
        "Answered by",
        engines,
        format_func=lambda engine: ENGINES[engine].title,
        key="engine",
        on_change=_choose,
        args=("engine", on_change),
        captions=[ENGINES[engine].caption for engine in engines],
    )
    if name:
        for other in bundles[name].manifest.engines:
            if other not in engines:
                st.caption(escape_markdown(_explain_missing(bundles[name], other)))


def _explain_missing(bundle: Bundle, engine: str) -> str:
    """Return a sentence for visitors on why the menu doesn't offer an engine."""
    if engine not in SERVER_ENGINES:
        return f"This app has no engine named “{shorten(engine)}”."
    if engine not in bundle.manifest.engines:
        return f"“{shorten(bundle.manifest.title)}” has no {engine} engine."
    title, reason = ENGINES[engine].title, shortfall(bundle, engine)
    return f"{title} ({engine}) can’t run in this app: it {reason}."


def warn_if_unusable(bundles: dict[str, Bundle]) -> bool:
    """Warn if there is no model, or the one in the settings can't be used; return whether so."""
    hint = "If you run this app, `python -m model verify` tells you why."
    if store_follower() and store_pending.is_set():
        text = "The published models aren’t loaded yet. Try again in a minute."
    elif not bundles:
        text = f"This app has no model that can be loaded. {hint}"
    elif (name := settings().model) and name not in bundles:
        text = f"This app’s default model, *{escape_markdown(name)}*, can’t be loaded. {hint}"
    else:
        return False
    st.warning(text, icon=":material/block:")
    return True


def warn_if_refused(bundle: Bundle | None, *, has_model: bool = True) -> None:
    """Warn if the address asked for a model or an engine that the menu doesn't offer.

    The warning stays until the visitor chooses a model or an engine. ``bundle`` is in use.
    ``has_model`` is as in ``settings_menu``: the viewfinder warns of a model itself.
    """
    requested = requested_choices()
    if bundle is None:
        return
    name, engine = requested.get("model"), requested.get("engine")
    if has_model and name and not isinstance(found := list_models().get(name), Bundle):
        problem = "can’t use the model" if found else "has no model named"
        text = f"This app {problem} “{shorten(name)}”; showing “{app_title(bundle)}”."
        st.warning(escape_markdown(text), icon=":material/block:")
    if engine and engine not in available(bundle):
        st.warning(escape_markdown(_explain_missing(bundle, engine)), icon=":material/memory:")
