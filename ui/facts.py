"""Facts on a page: names on the left, beside them what they say."""

from collections.abc import Iterable, Mapping

import streamlit as st


def show_facts(facts: Mapping[str, Iterable[str]]) -> None:
    """Show facts as Markdown, each with a name and its lines."""
    with st.container(gap="xsmall"):
        for name, lines in facts.items():
            left, right = st.columns([1, 4], gap="xsmall", wrap=False)
            left.markdown(name)
            right.markdown("  \n".join(lines))
