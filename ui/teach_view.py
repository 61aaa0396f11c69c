"""The Teach page's component, ``device/streamlit_teach.mjs``: all its work is in the browser."""

import streamlit as st

from ui import component

_mount = st.components.v2.component("teach", js=component.SCRIPT)


def show_teach() -> None:
    """Show the component. Its button *Use it* opens Identify with the visitor's model."""
    script = component.script_address("streamlit_teach.mjs")
    sent = _mount(
        key="teach",
        data={"script": script, "base": component.base_path()},
        on_failed_change=lambda: None,
    )
    if sent.failed:
        st.warning(
            "Teach couldn’t be loaded, perhaps because something between this browser and the app "
            "blocks its files. Reload the page to try again.",
            icon=":material/block:",
        )
