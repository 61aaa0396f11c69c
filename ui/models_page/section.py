"""A section of a model's card that is drawn once the visitor opens it."""

from collections.abc import Callable

import streamlit as st

from model import LoupeError
from ui.phrasing import phrase_error

__all__ = ["show_section"]


@st.fragment
def show_section(title: str, icon: str, key: str, draw: Callable[[], None]) -> None:
    """Show an expander, closed at first; opening it draws nothing else of the page again.

    Args:
        title: the expander's title.
        icon: its icon.
        key: the widget's key.
        draw: draws what is in it; a ``LoupeError`` is shown instead.
    """
    expander = st.expander(title, icon=icon, on_change="rerun", key=key)
    if not expander.open:
        return
    with expander:
        try:
            draw()
        except LoupeError as error:
            st.warning(phrase_error(error))
