"""Facts on a page: names on the left, values beside them."""

from collections.abc import Iterable, Mapping

import streamlit as st

NAME_WIDTH = 56
"""Width of the names in pixels: columns would be wider on a phone."""


def show_facts(facts: Mapping[str, Iterable[str]]) -> None:
    """Show facts as Markdown, each with a name and its lines."""
    with st.container(gap="xsmall"):
        for name, lines in facts.items():
            with st.container(horizontal=True, wrap=False, gap="small"):
                st.markdown(name, width=NAME_WIDTH)
                st.markdown("  \n".join(lines))
