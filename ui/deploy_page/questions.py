"""The questions of the Deploy page: which model, and what matters to its owner.

All answers are in the address, so the page can be shared. Streamlit puts labels, not values, into
the address: rewording a label breaks links.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import streamlit as st

from deploy.host import Budget, Expertise, Traffic
from deploy.matching import Requirements
from deploy.package import choose_models
from deploy.spec import AppSpec
from model.bundle import BUILTIN_DIR, default_models
from model.classifier import default_model
from model.engine_info import OPTIONAL_FILES
from ui.phrasing import escape_markdown
from ui.settings_menu import usable_bundles, warn_if_unusable

Scale = TypeVar("Scale", bound=StrEnum)

HOW_TO_MAKE_ONE = """python -m model import export.pkl --name mushrooms
python -m model train photos/ --name flowers"""

MUST_HAVES = {
    "private": "Photos stay on a machine I control",
    "offline": "Works offline",
    "own_domain": "My own domain",
    "gpu": "A GPU",
}
BUDGETS = {"nothing": "Free", "by use": "Pay as you go"}
EXPERTISE = {"no": "Not really", "some": "Somewhat"}


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


def ask_requirements() -> Requirements:
    """Show the questions and return the answers; the defaults ask for nothing special."""
    budget = _choose("Monthly budget", Budget, "budget", BUDGETS)
    traffic = _choose("Expected visitors", Traffic, "traffic", {})
    expertise = _choose("Comfortable with servers?", Expertise, "knows", EXPERTISE)
    must_haves = st.pills(
        "Must-haves",
        list(MUST_HAVES),
        format_func=MUST_HAVES.__getitem__,
        selection_mode="multi",
        key="must",
        bind="query-params",
    )
    return Requirements(
        budget=budget, traffic=traffic, expertise=expertise, **dict.fromkeys(must_haves, True)
    )


def _choose(question: str, scale: type[Scale], key: str, labels: Mapping[str, str]) -> Scale:
    # A radio wraps on a phone, where pills and segments would be cut off.
    value = st.radio(
        question,
        [value.value for value in scale],
        horizontal=True,
        format_func=lambda value: labels.get(value, value.capitalize()),
        key=key,
        bind="query-params",
    )
    return scale(value)
