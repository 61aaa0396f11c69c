"""The ranking on the Deploy page: the best options with their reasons and the way there."""

from collections.abc import Sequence

import streamlit as st

from deploy.options import DEVICE
from deploy.ranking import RankedOption
from deploy.spec import AppSpec
from ui.deploy_page.fit import describe_fit
from ui.deploy_page.instructions import show_instructions
from ui.phrasing import escape_markdown

__all__ = ["show_ranking"]

OPTIONS_SHOWN = 3


def show_ranking(ranked: Sequence[RankedOption], app: AppSpec) -> None:
    """Show the best options in full, the others that fit folded, and why the rest don't."""
    fitting = [option for option in ranked if option.fits]
    excluded = [option for option in ranked if not option.fits]
    _show_headline(fitting)
    _show_options(fitting[:OPTIONS_SHOWN], app, first_place=1)
    if len(fitting) > OPTIONS_SHOWN:
        with st.expander(f"{len(fitting) - OPTIONS_SHOWN} more that fit", icon=":material/list:"):
            _show_options(fitting[OPTIONS_SHOWN:], app, first_place=OPTIONS_SHOWN + 1)
    if excluded:
        label = f"{len(excluded)} that don't match your needs, and why"
        with st.expander(label, icon=":material/block:"):
            for ranked_option in excluded:
                title = escape_markdown(ranked_option.option.title)
                st.write(f"**{title}**: {escape_markdown(ranked_option.cons[0])}")


def _show_headline(fitting: Sequence[RankedOption]) -> None:
    if not fitting:
        st.subheader("Nothing matches everything", anchor=False)
        st.write("Each option below says what it lacks. Relax a requirement to see matches.")
        return
    best = fitting[0]
    prefix = "Closest match, with a compromise" if best.compromise else "Best for you"
    st.subheader(f"{prefix}: {escape_markdown(best.option.title)}", anchor=False)
    if best.compromise:
        st.write(escape_markdown(best.compromise))


def _show_options(ranked: Sequence[RankedOption], app: AppSpec, *, first_place: int) -> None:
    for place, ranked_option in enumerate(ranked, first_place):
        with st.container(border=True):
            _show_option(ranked_option, app, place)


def _show_option(ranked: RankedOption, app: AppSpec, place: int) -> None:
    option = ranked.option
    title, kind = escape_markdown(option.title), escape_markdown(option.kind.label)
    st.markdown(f"**{place}. {title}** :gray-badge[{kind}]")
    st.caption(escape_markdown(option.price))
    if ranked.host:
        st.write(escape_markdown(describe_fit(ranked.host, app)))
    # A word rather than an icon: a screen reader says only the icon's name.
    for heading, reasons in (("Pros", ranked.pros), ("Cons", ranked.cons)):
        if reasons:
            bullets = "\n".join(f"- {escape_markdown(reason)}" for reason in reasons)
            st.markdown(f"{heading}:\n{bullets}")
    if ranked.host:
        show_instructions(ranked.host, app)
    elif option is DEVICE:
        st.code(f"LOUPE_MODEL={app.models[0]} make run", language=None)
