"""The loader of the pages' JavaScript components, and the address of their files."""

import sys
from urllib.parse import urlsplit

import streamlit as st

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
