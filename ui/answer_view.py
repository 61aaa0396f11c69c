"""An answer for the component, and what the page shows beside it: further labels, in Altair."""

from typing import Any

import streamlit as st

from model import Bundle, LoupeError, Prediction
from model.answer.answer_json import answer_to_json
from model.answer.decision import Certainty, certainty
from model.answer.phrases import trust_lines
from model.answer.share_link import MAX_LABELS
from model.browser.device_files import small_card_in_use
from model.bundle import get_bundle
from ui.charts import draw_candidates
from ui.phrasing import headline, spell_number, to_markdown


def answer_json(prediction: Prediction, token: str = "") -> dict[str, Any]:
    """Return an answer as the component takes it; see ``answer_to_json``."""
    bundle = find_bundle(prediction)
    manifest, small = (bundle.manifest, small_card_in_use(bundle)) if bundle else (None, None)
    return answer_to_json(prediction, manifest, MAX_LABELS, token=token, small=small)


def find_bundle(prediction: Prediction) -> Bundle | None:
    """Return the version that answered; None if it isn't the current one."""
    try:
        bundle = get_bundle(prediction.model)
    except LoupeError:
        return None
    return bundle if bundle.version == prediction.version else None


def show_further_labels(prediction: Prediction, first: int, last: int) -> None:
    """Draw the labels after the ``first`` ones, which the component has, up to ``last``."""
    # A link holds the likeliest labels only; the others have no probability.
    count = sum(item.probability > 0 for item in prediction.top(last)[first:])
    # “None of these” has no meaningful percentages.
    if not count or certainty(prediction) is Certainty.UNKNOWN:
        return
    title = "The next label" if count == 1 else f"The next {spell_number(count)} labels"
    st.subheader(title, anchor=False)
    draw_candidates(prediction, first, last)


def show_answer(prediction: Prediction, last: int) -> None:
    """Show an answer in words and bars, in a browser that couldn't load the component."""
    st.header(headline(prediction), anchor=False)
    bundle = find_bundle(prediction)
    for line in trust_lines(prediction, bundle.manifest if bundle else None):
        st.caption(to_markdown(line))
    if certainty(prediction) is not Certainty.UNKNOWN:
        draw_candidates(prediction, 0, last)
