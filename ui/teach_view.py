"""The Teach page's component, ``device/streamlit_teach.mjs``: all its work is in the browser."""

import streamlit as st

from model.errors import DataError
from model.training.training_job import find_training_obstacle
from ui import component
from ui.owner_pages import sign_in

_mount = st.components.v2.component("teach", js=component.SCRIPT)


def show_teach() -> None:
    """Show the component. Its button *Use it* opens Identify with the visitor's model.

    For the owner, *Train on this computer* sends the photos to the app.
    """
    data: dict[str, str | bool] = {
        "script": component.script_address("streamlit_teach.mjs"),
        "base": component.base_path(),
    }
    if _can_train():
        data["train"] = True
    sent = _mount(
        key="teach",
        data=data,
        on_failed_change=lambda: None,
    )
    if sent.failed:
        st.warning(
            "Teach couldn’t be loaded, perhaps because something between this browser and the app "
            "blocks its files. Reload the page to try again.",
            icon=":material/block:",
        )


def _can_train() -> bool:
    """Return whether the visitor is the owner, and this host can train."""
    try:
        return sign_in() is not None and not find_training_obstacle()
    except DataError:
        return False
