"""The questions of the Deploy page: which model, and what its owner wants.

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
from model import Bundle
from model.bundle import BUILTIN_DIR, default_models
from model.engine_info import OPTIONAL_FILES
from model.loading import default_model
from ui.chosen_model import chosen_bundle
from ui.page_data import usable_bundles
from ui.phrasing import escape_markdown
from ui.settings_menu import model_select, warn_if_unusable

Scale = TypeVar("Scale", bound=StrEnum)

BUDGETS = {"nothing": "Free", "by use": "Pay as you go"}
EXPERTISE = {"no": "Not really", "some": "Somewhat"}
UPKEEP = {
    Expertise.NO: "no server to look after",
    Expertise.SOME: "a server is fine with some help",
    Expertise.YES: "a server is fine",
}


def ask() -> tuple[AppSpec, Requirements] | None:
    """Show the answers in two lines, and the questions; None if there is no model.

    The questions are folded: on a phone, what they lead to would be below the screen.
    """
    bundles = usable_bundles()
    warn_if_unusable(bundles)
    chosen = chosen_bundle()
    first = chosen.name if chosen else default_model()
    wanted = dict.fromkeys([first, default_model(), *default_models(), *bundles])
    offered = {name: bundles[name] for name in wanted if name in bundles}
    if not offered:
        return None
    summary = st.container(gap=None)
    with st.expander("Change", icon=":material/tune:"):
        # The key is not that of Identify, where another model may be chosen.
        if (asked := st.query_params.get("deployed")) in offered:
            st.session_state.setdefault("deployed", asked)
        name = str(model_select(offered, "deployed", _write_model))
        if all(bundle.folder.is_relative_to(BUILTIN_DIR) for bundle in bundles.values()):
            st.write("A model of your own is offered here once you have imported or trained it.")
        st.caption(_describe(bundles[name]))
        budget = _choose("Monthly budget", Budget, "budget", BUDGETS)
        traffic = _choose("Expected visitors", Traffic, "traffic", {})
        expertise = _choose("Comfortable with servers?", Expertise, "knows", EXPERTISE)
    price = BUDGETS.get(budget, budget.capitalize())
    summary.markdown(f"Model: **{escape_markdown(bundles[name].manifest.title)}**")
    summary.markdown(f"You want: **{price}, for {traffic}, {UPKEEP[expertise]}**")
    return choose_models([name]), Requirements(budget=budget, traffic=traffic, expertise=expertise)


def _write_model() -> None:
    st.query_params["deployed"] = st.session_state["deployed"]


def _describe(bundle: Bundle) -> str:
    """Return a model's version, and the size of what is deployed."""
    files = bundle.manifest.files
    size = sum(file.bytes for path, file in files.items() if path not in OPTIONAL_FILES)
    return f"Version {bundle.version} · {size / 1e6:.1f} MB to deploy"


def _choose(question: str, scale: type[Scale], key: str, labels: Mapping[str, str]) -> Scale:
    value = st.radio(
        question,
        [value.value for value in scale],
        format_func=lambda value: labels.get(value, value.capitalize()),
        key=key,
        bind="query-params",
    )
    return scale(value)
