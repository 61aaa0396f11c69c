"""What the page shows of an answer beside the component: the further labels, in Altair."""

import streamlit as st

from model import Prediction
from model.decision import Certainty, certainty, is_sure
from model.phrasing import honest_lines
from ui.charts import draw_candidates
from ui.phrasing import headline, spell_number, to_markdown
from ui.viewfinder import find_bundle

__all__ = ["show_answer", "show_further_labels"]


def show_further_labels(prediction: Prediction, first: int, last: int) -> None:
    """Draw the labels after the ``first`` ones, which the component has, up to ``last``."""
    # A link holds the likeliest labels only; the others have no probability.
    further = [item for item in prediction.top(last)[first:] if item.probability > 0]
    # Percentages of an answer that is none of the labels mean nothing.
    if not further or certainty(prediction) is Certainty.UNKNOWN:
        return
    count = len(further)
    title = "The next label" if count == 1 else f"The next {spell_number(count)} labels"
    st.subheader(title, anchor=False)
    draw_candidates(further)


def show_answer(prediction: Prediction, last: int) -> None:
    """Show an answer in words and bars, in a browser that couldn't load the component."""
    st.header(headline(prediction), anchor=False)
    bundle = find_bundle(prediction)
    for line in honest_lines(prediction, bundle.manifest if bundle else None):
        st.caption(to_markdown(line))
    if certainty(prediction) is not Certainty.UNKNOWN:
        draw_candidates(prediction.top(last), sure=is_sure(prediction))
