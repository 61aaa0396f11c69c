"""The pages' JavaScript components in ``device/``, and the address of their files."""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

FAILED_KEY = "component_failed"
"""The key of the session state that is set once a script couldn't be loaded."""

# Streamlit runs a component's script from a blob, which has no address to import from.
SCRIPT = """
export default async function (component) {
  try {
    const module = await import(new URL(component.data.script, document.baseURI));
    return module.default(component);
  } catch (error) {
    console.error(error);
    component.setTriggerValue("failed", true);
  }
  return undefined;
}
"""
"""Imports the module at ``data["script"]`` and calls its default export, as Streamlit would.

If that can't be loaded, it sets the trigger ``failed``.
"""


def mount(
    name: str,
    script: str,
    data: Mapping[str, object],
    *,
    key: str = "",
    on_failed: Callable[[], None] = lambda: None,
    **events: Callable[[], None] | None,
) -> Any:
    """Show a component, and return the values of the events that its script has just sent.

    Args:
        name: its name in Streamlit.
        script: the file in ``device/`` whose default export draws it.
        data: what it is given, besides the address of its script.
        key: its key, the same in each run; by default its name.
        on_failed: called if the script couldn't be loaded.
        events: what to call for each event that the script sends, by the event's name; or None.
    """
    calls: dict[str, Any] = {
        f"on_{event}_change": call or (lambda: None) for event, call in events.items()
    }
    return _component(name)(
        key=key or name,
        data={**data, "script": script_address(script)},
        on_failed_change=on_failed,
        **calls,
    )


@cache
def _component(name: str) -> ComponentRenderer:
    return st.components.v2.component(name, js=SCRIPT)


def has_routes() -> bool:
    """Return whether the app has its HTTP routes; Streamlit alone, run as a script, has none."""
    return "api.app" in sys.modules


def note_failure() -> None:
    """Note that a component's script couldn't be loaded, so that pages do without."""
    st.session_state[FAILED_KEY] = True


def base_path() -> str:
    """Return the path below which the browser finds the app's routes; ends with a slash."""
    path = urlsplit(st.context.url or "").path or "/"
    configured = f"/{st.get_option('server.baseUrlPath').strip('/')}"
    # Without the final slash, the app's own path would look like a page's.
    return f"{path}/" if path == configured != "/" else path[: path.rindex("/") + 1]


def script_address(name: str) -> str:
    """Return the address of a script in ``device/``, as the browser finds it."""
    return f"{base_path()}device/{name}"
