"""Commands for a terminal, with buttons that copy them: a component in ``device/commands.mjs``.

``st.code`` breaks lines at hyphens, and shows its button to a mouse only.
"""

from collections.abc import Sequence

import streamlit as st

from ui.component import FAILED_KEY, SCRIPT, note_failure, script_address
from ui.phrasing import spell_number

_mount = st.components.v2.component("commands", js=SCRIPT)


def show_commands(key: str, commands: Sequence[tuple[str, str]]) -> None:
    """Show commands, each a title and a line for a shell; ``key`` is the place on the page."""
    if st.session_state.get(FAILED_KEY):
        st.code("\n".join(command for _, command in commands), language=None, wrap_lines=True)
        return
    _mount(
        key=f"commands-{key}",
        data={
            "script": script_address("commands.mjs"),
            "commands": commands,
            "all": f"Copy all {spell_number(len(commands))}" if len(commands) > 1 else "Copy",
            "theme": st.context.theme.type or "light",
        },
        on_failed_change=note_failure,
    )
