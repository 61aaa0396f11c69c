"""The questions: what matters to whoever wants to share the app. All answers are in the link."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import streamlit as st

from deploy.host import Budget, Expertise, Traffic
from deploy.ranking import Requirements

__all__ = ["ask"]

Scale = TypeVar("Scale", bound=StrEnum)

MUST = {
    "private": "Only I run the machine with the photos",
    "offline": "It works without a network",
    "own_domain": "My own domain",
    "gpu": "A GPU",
}

BUDGETS = {"by use": "Whatever is used"}


def ask() -> Requirements:
    """Ask; the answers that ask for nothing special come first."""
    budget = _one_of("What may a month cost?", Budget, "budget", BUDGETS)
    traffic = _one_of("Who will come?", Traffic, "traffic")
    knows = _one_of("Do you know servers?", Expertise, "knows")
    must = st.pills(
        "It must have",
        list(MUST),
        format_func=MUST.__getitem__,
        selection_mode="multi",
        key="must",
        bind="query-params",
    )
    return Requirements(budget=budget, traffic=traffic, knows=knows, **dict.fromkeys(must, True))


def _one_of(
    question: str, scale: type[Scale], key: str, words: Mapping[str, str] | None = None
) -> Scale:
    values = [value.value for value in scale]
    # A radio goes on to a second line on a phone, where pills and segments would be cut.
    found = st.radio(
        question,
        values,
        horizontal=True,
        format_func=lambda value: (words or {}).get(value, value.capitalize()),
        key=key,
        bind="query-params",
    )
    return scale(found)
