"""The loader of the pages' JavaScript components, and the address of their files."""

import sys
from functools import lru_cache
from urllib.parse import urlsplit

import streamlit as st
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

from model.settings import ROOT

FAILED_KEY = "component_failed"
"""The key of the session state that is set once a script couldn't be loaded."""

# Streamlit runs a component's script from a blob, which has no address to import from.
SCRIPT = """
// Streamlit doesn't wait for a call's end, and imports may end in another order than they began:
// only an element's newest call counts.
const newest = new WeakMap();
export default async function (component) {
  newest.set(component.parentElement, component);
  let module;
  try {
    module = await import(new URL(component.data.script, document.baseURI));
  } catch (error) {
    if (newest.get(component.parentElement) !== component) return undefined;
    console.error(error);
    component.setTriggerValue("failed", true);
    return undefined;
  }
  if (newest.get(component.parentElement) !== component) return undefined;
  return module.default(component);
}
"""
"""Imports the module at ``data["script"]`` and calls its default export, as Streamlit would.

If that can't be loaded, it sets the trigger ``failed``.
"""


def has_routes() -> bool:
    """Return whether the app has its HTTP routes; Streamlit alone, run as a script, has none."""
    return "api.app" in sys.modules


def base_path() -> str:
    """Return the path below which the browser finds the app's routes; ends with a slash."""
    path = urlsplit(st.context.url or "").path or "/"
    configured = f"/{st.get_option('server.baseUrlPath').strip('/')}"
    # Without the final slash, the app's own path would look like a page's.
    return f"{path}/" if path == configured != "/" else path[: path.rindex("/") + 1]


def script_address(name: str) -> str:
    """Return the address of a script in ``device/``, as the browser finds it."""
    if has_routes():
        return f"{base_path()}device/{name}"
    _serve_files()
    return f"{base_path()}_stcore/bidi-components/loupe.device/{name}"


@lru_cache(maxsize=1)
def _serve_files() -> None:
    """Have Streamlit serve ``device/`` as it serves an installed component's files."""
    # Streamlit has no public function for the files of a component that isn't installed.
    manifest = ComponentManifest("loupe", "0", [ComponentConfig("device", asset_dir="device")])
    get_bidi_component_manager().register_from_manifest(manifest, ROOT)
