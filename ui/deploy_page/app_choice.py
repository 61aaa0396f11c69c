"""The first question of the Deploy page: which model."""

import streamlit as st

from deploy.package import choose_models
from deploy.spec import AppSpec
from model.bundle import BUILTIN_DIR, default_models
from model.classifier import default_model
from model.engine_info import OPTIONAL_FILES
from ui.phrasing import escape_markdown
from ui.settings_menu import usable_bundles, warn_if_unusable

__all__ = ["choose_app"]

HOW_TO_MAKE_ONE = """python -m model import export.pkl --name mushrooms
python -m model train photos/ --name flowers"""


def choose_app() -> AppSpec | None:
    """Show which model is deployed and return the app with it; None if there is no model."""
    bundles = usable_bundles()
    warn_if_unusable(bundles)
    wanted = dict.fromkeys([default_model(), *default_models(), *bundles])
    names = [name for name in wanted if name in bundles]
    if not names:
        return None
    own = [name for name in names if not bundles[name].folder.is_relative_to(BUILTIN_DIR)]
    if own:
        # Options are names, not titles, because they appear in the address. The key is not that of
        # Identify, whose choice may be a built-in model.
        name = st.selectbox("Which model?", own, key="deployed", bind="query-params")
    else:
        name = names[0]
        st.write(
            f"You have no model of your own yet: these files deploy the built-in *{name}*. To make "
            "one, from a fastai export or from a folder of photos:"
        )
        st.code(HOW_TO_MAKE_ONE, language=None, wrap_lines=True)
    bundle = bundles[name]
    title, files = escape_markdown(bundle.manifest.title), bundle.manifest.files
    size = sum(file.bytes for path, file in files.items() if path not in OPTIONAL_FILES)
    st.caption(f"{title} · version {bundle.version} · {size / 1e6:.1f} MB to deploy")
    return choose_models([name])
