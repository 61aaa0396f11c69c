"""Photos on the owner's pages: a gallery to select in, the last change, a row of pictures."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import streamlit as st

from ui import component

_mount = st.components.v2.component("gallery", js=component.SCRIPT)


def show_gallery(
    key: str, labels: Sequence[str], items: Sequence[object], actions: Sequence[object], hint: str
) -> Any:
    """Show photos as ``device/owner/gallery.mjs`` does; return the pressed action, or None."""
    data = {"labels": labels, "items": items, "actions": actions, "hint": hint}
    data["script"] = component.script_address("owner/gallery.mjs")
    data["theme"] = st.context.theme.type or "light"
    return _mount(key=key, data=data, on_act_change=lambda: None, on_failed_change=lambda: None).act


def show_last_change(key: str) -> Any:
    """Show the last change, which the session state has by ``key`` with what undoes it.

    Returns what undoes it if *Undo* was pressed, else None.
    """
    if last := st.session_state.get(key):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.write(last[0])
            if last[1] and st.button("Undo", key=f"undo-{key}", type="tertiary"):
                return last[1]
    return None


def show_pictures(
    photos: Iterable[tuple[str, str, str]], address: Callable[[str], str] | None
) -> None:
    """Show photos in a row by name, label and caption; captions alone if ``address`` is None."""
    with st.container(horizontal=True):
        for name, label, caption in photos:
            if address:
                st.image(address(name), caption=caption, alt=label, width=120)
            else:
                st.write(caption)
