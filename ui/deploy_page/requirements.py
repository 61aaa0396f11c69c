"""The questions of the Deploy page; all answers are in the address, so the page can be shared.

Streamlit puts labels, not values, into the address: rewording a label breaks links.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import streamlit as st

from deploy.host import Budget, Expertise, Traffic
from deploy.matching import Requirements

__all__ = ["ask_requirements"]

Scale = TypeVar("Scale", bound=StrEnum)

MUST_HAVES = {
    "private": "Photos stay on a machine I control",
    "offline": "Works offline",
    "own_domain": "My own domain",
    "gpu": "A GPU",
}
BUDGETS = {"nothing": "Free", "by use": "Pay as you go"}
EXPERTISE = {"no": "Not really", "some": "Somewhat"}


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
