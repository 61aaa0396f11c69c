"""The part of the *Compare* page that runs in the browser: ``device/compare.mjs``."""

import math
from typing import Any

import streamlit as st

from model import Bundle, LoupeError
from model.browser.device_files import samples_json
from model.engines import available
from model.settings import settings
from ui.compare_page.measurement import TRIES, Comparison, read_comparison
from ui.component import SCRIPT, base_path
from ui.phrasing import phrase_error
from ui.session import current_session

__all__ = ["component_data", "kept_comparison", "show_component"]

KEY = "compare"

_mount = st.components.v2.component("compare", js=SCRIPT)


def show_component(bundle: Bundle) -> None:
    """Show the choice of a photo; what the browser measures is kept for ``kept_comparison``."""
    _mount(
        key=KEY,
        data=component_data(bundle),
        on_measured_change=lambda: _on_measured(bundle),
        on_failed_change=lambda: None,
    )


def component_data(bundle: Bundle) -> dict[str, Any]:
    """Return what the component needs, as JSON; the same in each run until something changes."""
    base = base_path()
    graph = bundle.folder / "graph.onnx"
    return {
        "script": f"{base}device/compare.mjs",
        "base": base,
        "model": bundle.name,
        "labels": list(bundle.labels),
        "engines": list(available(bundle)),
        "token": current_session().api_token,
        "downloads": settings().downloads,
        "fullMegabytes": math.ceil(graph.stat().st_size / 1e6),
        "tries": TRIES,
        "theme": st.context.theme.type or "light",
        "samples": samples_json(f"{base}device/"),
    }


def kept_comparison(bundle: Bundle) -> Comparison | None:
    """Return this session's newest comparison, if it is about this version of the model."""
    key, comparison = st.session_state.get("comparison", (None, None))
    return comparison if key == (bundle.name, bundle.version) else None


def _on_measured(bundle: Bundle) -> None:
    st.session_state.pop("comparison_error", None)
    try:
        comparison = read_comparison(st.session_state[KEY].get("measured"), bundle)
    except LoupeError as error:
        st.session_state["comparison_error"] = phrase_error(error)
        return
    st.session_state["comparison"] = ((bundle.name, bundle.version), comparison)
